"""What the checks share: the files of the tree, C without its comments, the functions in it."""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# What people write; everything else (fixtures, images) is data.  Scripts without a suffix are known by their "#!".
WRITTEN = {".c", ".h", ".py", ".sh", ".cmake", ".md", ".yaml", ".yml", ".json", ".txt", ".sbatch"}


def files(root):
    """Every written file below root, as paths relative to it, sorted; build folders and git's own are left out."""
    found = []
    for folder, folders, names in os.walk(root):
        inside = Path(folder).relative_to(root)
        top = inside == Path(".")
        folders[:] = [f for f in folders if f not in (".git", "__pycache__") and not (top and f.startswith("build"))]
        for name in names:
            written = Path(name).suffix in WRITTEN or (not Path(name).suffix and is_script(Path(folder, name)))
            if written:
                found.append(inside / name)
    return sorted(found)


def is_script(path):
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def text_of(root, path):
    return Path(root, path).read_text(encoding="utf-8", errors="replace")


COMMENT_OR_LITERAL = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)


def without_comments(code, literals=True):
    """C code with comments (and, literals=False, what stands in quotes) blanked out, every line kept in its place."""

    def blank(match):
        found = match.group()
        if found[0] in "\"'":
            return found if literals else found[0] + " " * (len(found) - 2) + found[-1]
        return re.sub(r"[^\n]", " ", found)

    return COMMENT_OR_LITERAL.sub(blank, code)


def without_directives(code):
    """C code with preprocessor lines (and their continuations) blanked out."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: re.sub(r"[^\n]", " ", m.group()), code, flags=re.MULTILINE)


@dataclass
class Function:
    name: str
    line: int   # of its opening brace
    lines: int  # between the braces; a function on one line has 1
    body: str


OPENING = re.compile(r"(\w+)\s*\((?:[^(){};]|\((?:[^(){};]|\([^(){};]*\))*\))*\)\s*\{")


def functions(code):
    """Function definitions of a C source: a name and parameters before a brace that is inside no other."""
    code = without_directives(without_comments(code, literals=False))
    found, position = [], 0
    while True:
        match, brace = OPENING.search(code, position), code.find("{", position)
        if brace < 0:
            return found
        end = closing(code, brace)
        if match and match.end() - 1 == brace:
            lines = max(1, code.count("\n", brace, end) - 1)
            found.append(Function(match.group(1), code.count("\n", 0, brace) + 1, lines, code[brace:end]))
        position = end


def closing(code, brace):
    """Just behind the brace that closes the one at `brace`."""
    depth = 0
    for place in range(brace, len(code)):
        depth += {"{": 1, "}": -1}.get(code[place], 0)
        if depth == 0:
            return place + 1
    return len(code)


def run_check(check):
    """Command line of a check: the root of the tree; prints violations, one a line; exits 1 when there are any."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT")
    violations = check(sys.argv[1])
    for violation in violations:
        print(violation)
    print(f"{len(violations)} violations")
    sys.exit(1 if violations else 0)

"""A test can fail: every case that a test program registers comes to an assertion, every test program returns what its
cases gave, and every test program is built.  (A case may assert through functions of its own file or tests/support;
a program without cmocka is a helper of tests, which need not assert.)"""

import re
from pathlib import Path

from source_tree import files, functions, run_check, text_of, without_comments

REGISTERED = re.compile(r"\bcmocka_unit_test\w*\s*\(\s*(\w+)")
ASSERTS = re.compile(r"\b(?:assert_\w+|fail|fail_msg|expect_assert_failure|check_expected)\s*\(")
DROPPED = re.compile(r"^[ \t]*(?:\(void\)[ \t]*)?cmocka_run_group_tests\w*\s*\(", re.MULTILINE)
CALL = re.compile(r"\b(\w+)\s*\(")


def asserting(bodies):
    """Names of the functions that assert, themselves or through others of `bodies`; macros of assertions count."""
    found = {name for name, body in bodies.items() if ASSERTS.search(body)}
    while True:
        more = {name for name, body in bodies.items() if name not in found and found & set(CALL.findall(body))}
        if not more:
            return found
        found |= more


def macros(code):
    return {name: body for name, body in re.findall(r"^#define (\w+)\(((?:[^\n]*\\\n)*[^\n]*)", code, re.MULTILINE)}


def bodies_of(code):
    return {**macros(without_comments(code)), **{f.name: f.body for f in functions(code)}}


def built_names(root, folder):
    lists = [Path(root, folder, "CMakeLists.txt"), Path(root, folder).parent / "CMakeLists.txt"]
    return " ".join(p.read_text() for p in lists if p.exists())


def check_program(path, code, helpers):
    bare = without_comments(code)
    known = asserting({**helpers, **bodies_of(code)})
    registered = REGISTERED.findall(bare)
    if not registered:
        yield f"{path}: a test program without a test"
    for name in registered:
        if name not in known and not bare.count(f"#define {name}"):
            yield f"{path}: {name} asserts nothing"
    if "cmocka_run_group_tests" not in bare or DROPPED.search(bare):
        yield f"{path}: what its cases gave does not become its exit status"


def check(root):
    violations, helpers = [], {}
    sources = [p for p in files(root) if p.parts[0] == "tests" and p.suffix in (".c", ".h")]
    for path in sources:
        if not re.search(r"\bint\s+main\s*\(", text_of(root, path)):
            helpers.update(bodies_of(text_of(root, path)))
    for path in sources:
        code = text_of(root, path)
        if path.suffix != ".c" or not re.search(r"\bint\s+main\s*\(", code):
            continue
        built = built_names(root, path.parent)
        if "<cmocka.h>" in code or re.search(rf"palimpsest_test\(\s*{path.stem}\b", built):
            violations += check_program(path, code, helpers)
        if not re.search(rf"\b{path.stem}\b", built):
            violations.append(f"{path}: no CMakeLists.txt builds it")
    return violations


if __name__ == "__main__":
    run_check(check)

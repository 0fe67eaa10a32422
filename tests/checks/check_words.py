"""What is in the tree is finished: words that stand for work put off are refused."""

import re

from source_tree import files, run_check, text_of

# Cut in two, so that this file may be checked as well.
REFUSED = [r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bX" r"XX\b", r"\bHA" r"CK\b", r"(?i:\bnot[ -]" r"(yet )?implemented\b)",
           r"(?i:\bplace" r"holders?\b)", r"(?i:\bcoming " r"soon\b)"]


def check(root):
    violations = []
    for path in files(root):
        for number, line in enumerate(text_of(root, path).splitlines(), 1):
            for word in REFUSED:
                match = re.search(word, line)
                if match:
                    violations.append(f"{path}:{number}: {match.group()}")
    return violations


if __name__ == "__main__":
    run_check(check)

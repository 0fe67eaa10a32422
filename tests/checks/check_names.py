"""A file is known by its name alone: no two sources of the tree share one.  (Sweep files are data, named by their folder.)"""

from source_tree import files, run_check

SHARED = {"CMakeLists.txt", "README.md"}  # one in every folder


def check(root):
    first, violations = {}, []
    for path in files(root):
        if path.name in SHARED or path.suffix == ".yaml":
            continue
        if path.name in first:
            violations.append(f"{path}: the name is taken by {first[path.name]}")
        first.setdefault(path.name, path)
    return violations


if __name__ == "__main__":
    run_check(check)

"""Easy to hold in the head: no file over 600 lines, no function over 80, nine functions in ten under 40; doors short."""

from source_tree import files, functions, run_check, text_of

FILE_LINES, DOOR_LINES, FUNCTION_LINES, MOST_FUNCTION_LINES = 600, 150, 80, 40


def check(root):
    violations, lengths = [], []
    for path in files(root):
        if path.suffix not in (".c", ".h", ".py", ".cmake", ".sh", ""):
            continue
        text = text_of(root, path)
        most = DOOR_LINES if path.parts[:2] == ("include", "palimpsest") else FILE_LINES
        if text.count("\n") > most:
            violations.append(f"{path}: {text.count(chr(10))} lines, more than {most}")
        if path.suffix not in (".c", ".h"):
            continue
        for function in functions(text):
            lengths.append(function.lines)
            if function.lines > FUNCTION_LINES:
                violations.append(f"{path}:{function.line}: {function.name} has {function.lines} lines, "
                                  f"more than {FUNCTION_LINES}")
    lengths.sort()
    if lengths:
        ninth = lengths[len(lengths) * 9 // 10]
        print(f"{len(lengths)} functions: median {lengths[len(lengths) // 2]} lines, nine in ten up to {ninth}, "
              f"longest {lengths[-1]}")
        if ninth >= MOST_FUNCTION_LINES:
            violations.append(f"one function in ten has {ninth} lines or more; nine in ten should be under "
                              f"{MOST_FUNCTION_LINES}")
    return violations


if __name__ == "__main__":
    run_check(check)

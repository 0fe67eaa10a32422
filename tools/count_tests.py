"""Counts what ctest ran: one closing line over all reports, and a list of what failed or was skipped.

usage: count_tests.py [--broken=TEXT]... REPORT.xml...

REPORT.xml is what `ctest --output-junit` writes.  A test program that names its cases in cmocka's way ("[       OK ]
name", "[  FAILED  ] name", "[  SKIPPED ] name") counts case by case, each name once however many ranks print it; any other
test counts as one.  --broken names something that failed before there was anything to count; it counts as one failure.
Exit: 0 when something passed and nothing failed, else 1.
"""

import re
import sys
import xml.etree.ElementTree

CASE = re.compile(r"\[\s*(OK|FAILED|SKIPPED)\s*\]\s+(?:[\w.]+: )?(\w+)\s*(?:\(.*\))?$", re.MULTILINE)


def cases_of(output):
    """Name to "OK", "SKIPPED" or "FAILED", the worst that any rank printed."""
    worst = {}
    order = ["OK", "SKIPPED", "FAILED"]
    for outcome, name in CASE.findall(output):
        worst[name] = max(worst.get(name, "OK"), outcome, key=order.index)
    return worst


def count_test(test):
    """(passed, [failed], [skipped]) of one <testcase>."""
    program, status = test.get("name"), test.get("status")
    if status in ("disabled", "notrun") or test.find("skipped") is not None:
        return 0, [], [program]
    cases = cases_of(test.findtext("system-out") or "")
    failed = [f"{program}: {name}" for name, outcome in cases.items() if outcome == "FAILED"]
    skipped = [f"{program}: {name}" for name, outcome in cases.items() if outcome == "SKIPPED"]
    passed = len(cases) - len(failed) - len(skipped)
    succeeded = status == "run"
    if not succeeded and not failed:  # died, timed out, or failed outside its cases
        failed = [program]
    if succeeded and failed:  # a program that reports a failure and exits 0 is not believed
        failed.append(f"{program}: exits 0 although cases failed")
    return (1 if succeeded and not cases else passed), failed, skipped


def main(arguments):
    failed = [text[len("--broken="):] for text in arguments if text.startswith("--broken=")]
    passed, skipped = 0, []
    for path in (text for text in arguments if text and not text.startswith("--broken=")):
        for test in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
            more, bad, left_out = count_test(test)
            passed += more
            failed += bad
            skipped += left_out
    for name in sorted(set(skipped)):
        print(f"skipped: {name}")
    for name in failed:
        print(f"failed: {name}")
    print(f"{passed} passed, {len(failed)} failed, {len(skipped)} skipped")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

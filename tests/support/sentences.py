"""Runs the test functions of a Python test: each is a sentence, each prints its outcome in the way of cmocka."""

import sys
import time
import traceback


_sentences = []


class Skipped(Exception):
    """Raised by a test that cannot run here; its text says why."""


def sentence(function):
    """Decorator: this function is a test."""
    _sentences.append(function)
    return function


def run_sentences():
    """Calls every @sentence in the order of the file; exits 1 when one failed.  For the bottom of a test script."""
    outcomes = {"OK": 0, "FAILED": 0, "SKIPPED": 0}
    for function in _sentences:
        name = function.__name__
        print(f"[ RUN      ] {name}", flush=True)
        began = time.monotonic()
        try:
            function()
            outcome = "OK"
        except Skipped as reason:
            print(f"skipped: {reason}")
            outcome = "SKIPPED"
        except Exception:  # any failure of one sentence leaves the others to run
            traceback.print_exc(file=sys.stdout)
            outcome = "FAILED"
        outcomes[outcome] += 1
        print(f"[ {outcome:>8} ] {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{outcomes['OK']} of {len(_sentences)} passed")
    sys.exit(1 if outcomes["FAILED"] or not _sentences else 0)

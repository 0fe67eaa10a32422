"""Runs the test functions of a Python test: each is a sentence, each prints its outcome in the way of cmocka."""

import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor


_sentences = []


class Skipped(Exception):
    """Raised by a test that cannot run here; its text says why."""


def sentence(function):
    """Decorator: this function is a test."""
    _sentences.append(function)
    return function


def _say(line):
    print(line + "\n", end="", flush=True)  # in one piece, between those of other threads


def run_sentence(function):
    """What became of it: OK, FAILED or SKIPPED."""
    name = function.__name__
    _say(f"[ RUN      ] {name}")
    began = time.monotonic()
    try:
        function()
        outcome = "OK"
    except Skipped as reason:
        _say(f"skipped: {reason}")
        outcome = "SKIPPED"
    except Exception:  # any failure of one sentence leaves the others to run
        _say(traceback.format_exc())
        outcome = "FAILED"
    _say(f"[ {outcome:>8} ] {name} ({time.monotonic() - began:.1f} s)")
    return outcome


def run_sentences(at_once=1):
    """Calls every @sentence in the order of the file, or so many of them at a time: those that mostly wait.  Exits 1 when
    one failed.  For the bottom of a test script."""
    if at_once == 1:
        outcomes = [run_sentence(function) for function in _sentences]
    else:
        with ThreadPoolExecutor(at_once) as pool:
            outcomes = list(pool.map(run_sentence, _sentences))
    print(f"{outcomes.count('OK')} of {len(outcomes)} passed")
    sys.exit(1 if "FAILED" in outcomes or not outcomes else 0)

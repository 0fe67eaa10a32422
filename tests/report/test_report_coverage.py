"""What intervals and verdicts are worth, on hundreds of synthetic sweeps whose truth is known: 95 % intervals must cover the
truth in 92 to 98 % of the files, and fewer than 5 % of the verdicts may be false.  Undecided is never false."""

import collections
import math
import multiprocessing
import os
import sys
from dataclasses import replace
from pathlib import Path

ROOT, FILES = Path(sys.argv[1]), int(sys.argv[2])
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import synthetic_results as synthetic  # noqa: E402
from palimpsest_report import lm_loss, verdicts  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

# Of 500 files; fewer are allowed so much more that chance explains: the difference of two standard errors of a share of 95 %.
SLACK = 2 * math.sqrt(0.95 * 0.05) * max(0.0, 1 / math.sqrt(FILES) - 1 / math.sqrt(500))
LEAST, MOST, FALSE = 0.92 - SLACK, 0.98 + SLACK, 0.05 + SLACK
AXES = ["size", "tokens", "variety"]
LOSS = synthetic.CLAIMS[3]


def outcome_of(job):
    """One file of a scenario: intervals of the three slopes and the interactions, verdicts with their reasons."""
    number, planted = job
    results = synthetic.sweep(number, claims=synthetic.SLOPES, **planted)
    judgements = verdicts.judge(results)
    intervals = {j.claim.axis: (first.low, first.high) for j in judgements for first in [j.evidence.estimates[0].interval]}
    for names, interval in verdicts.interactions(results, "forgetting", AXES):
        intervals[" x ".join(names)] = (interval.low, interval.high)
    said = {j.claim.axis: "no difference" if j.reason.startswith("No difference") else j.verdict for j in judgements}
    return intervals, said


def loss_verdict(job):
    number, planted, claim = job
    lm_loss.PERMUTATIONS = 99
    return verdicts.judge(synthetic.sweep(number, claims=[claim], **planted))[0].verdict


def over_files(function, jobs):
    with multiprocessing.get_context("fork").Pool(min(2, len(os.sched_getaffinity(0)))) as pool:
        return pool.map(function, jobs, chunksize=8)


def scenario(truth, allowed, **planted):
    """Runs FILES files; truth: interval -> planted value, allowed: axis -> verdicts that are not false beside undecided."""
    found = over_files(outcome_of, [(number, planted) for number in range(FILES)])
    for name, value in truth.items():
        share = sum(low <= value <= high for low, high in (intervals[name] for intervals, _ in found)) / FILES
        print(f"  {name}: {100 * share:.1f} % of {FILES} intervals cover {value:g}")
        assert LEAST <= share <= MOST, (name, share)
    counted = {axis: collections.Counter(said[axis] for _, said in found) for axis in AXES}
    for axis, words in allowed.items():
        false = sum(n for word, n in counted[axis].items() if word not in (*words, "undecided")) / FILES
        print(f"  {axis}: {dict(counted[axis])}, {100 * false:.1f} % false")
        assert false < FALSE, (axis, counted[axis])
    return counted


NONE = ("no difference",)


@sentence
def a_planted_null():
    counted = scenario({**dict.fromkeys(AXES, 0), "size x tokens": 0, "size x variety": 0, "size x tokens x variety": 0},
                       dict.fromkeys(AXES, NONE))
    assert min(counted[axis]["no difference"] for axis in AXES) > 0.5 * FILES, "what is there to be shown is shown"


@sentence
def planted_effects_with_many_missing_values():
    counted = scenario({"size": -0.05, "tokens": -0.04, "variety": 0.05},
                       {"size": ("supported",), "tokens": ("supported",), "variety": ("contradicted",)},
                       size=-0.05, tokens=-0.04, variety=0.05, missing=0.4)
    assert counted["size"]["supported"] > 0.9 * FILES


@sentence
def a_planted_u_curve():
    counted = scenario({"size": 0, "tokens": 0, "variety": 0}, {"size": NONE, "tokens": ("non-monotone",), "variety": NONE}, curve=0.05)
    assert counted["tokens"]["non-monotone"] > 0.9 * FILES


@sentence
def a_planted_interaction():
    counted = scenario({"size x tokens": 0.03, "size": 0, "tokens": 0, "size x tokens x variety": 0},
                       {"size": (), "tokens": (), "variety": NONE}, product=0.03)
    assert counted["size"]["undecided"] > 0.9 * FILES


@sentence
def skewed_seeds():
    """20 seeds with slopes and levels from a gamma distribution of shape 3 (skewness 1.15); intervals change to the bootstrap-t."""
    scenario(dict.fromkeys(AXES, 0), dict.fromkeys(AXES, NONE), grid=synthetic.Grid(seeds=20, varieties=[1, 16]), skewed=True,
             spread=0.05, noise=0.02)


def of_loss(loss):
    return 0.9 - 0.15 * (loss - 2)


def of_loss_and_size(loss):
    return of_loss(loss) + 0.05 * synthetic.Grid().size[..., 0, :]


def shares_of(function, claim=LOSS):
    counted = collections.Counter(over_files(loss_verdict, [(number, {"of_loss": function}, claim) for number in range(FILES)]))
    print(f"  {dict(counted)}")
    return collections.defaultdict(float, {word: n / FILES for word, n in counted.items()})


@sentence
def an_outcome_of_the_loss_alone_is_rarely_contradicted():
    """Under a rule that calls no effect too small to matter, so that only chance can keep it from being contradicted."""
    assert shares_of(of_loss, replace(LOSS, equivalence=0.0))["contradicted"] < FALSE


@sentence
def an_outcome_of_the_loss_and_the_size_is_never_called_enough_and_mostly_contradicted():
    found = shares_of(of_loss_and_size)
    assert found["supported"] < FALSE and found["contradicted"] > 0.9, found


if __name__ == "__main__":
    run_sentences()

"""Intervals, slopes and tests of tools/palimpsest_report/statistics.py against closed forms, scipy, statsmodels, and the
program's own C."""

import math
import subprocess
import sys
from pathlib import Path

import numpy
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

ROOT, INTERVAL_TOOL = Path(sys.argv[1]), sys.argv[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
from palimpsest_report import statistics  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

RANDOM = numpy.random.default_rng(5)


def near(a, b, tolerance=1e-12):
    assert abs(a - b) <= tolerance * max(1, abs(b)), (a, b)


# ---- intervals ----

@sentence
def the_interval_of_three_values_is_the_one_by_hand():
    """1, 2, 3: mean 2, deviation 1, half width t(.975, 2) / sqrt(3) = 4.302653 / 1.7320508 = 2.484138."""
    interval = statistics.t_interval([1, math.nan, 2, 3])
    assert (interval.mean, interval.deviation, interval.count, interval.method) == (2, 1, 3, "t")
    near(interval.low, 2 - 2.484138, 1e-6)
    near(interval.high, 2 + 2.484138, 1e-6)
    near(interval.p, stats.ttest_1samp([1, 2, 3], 0).pvalue)


@sentence
def one_value_has_a_mean_and_no_interval_and_none_has_nothing():
    one, none = statistics.t_interval([0.5, math.nan]), statistics.t_interval([math.nan])
    assert one.mean == 0.5 and math.isnan(one.low) and math.isnan(one.p) and one.count == 1
    assert math.isnan(none.mean) and none.count == 0
    flat = statistics.t_interval([2.0, 2.0])
    assert (flat.low, flat.high, flat.p) == (2, 2, 0)


@sentence
def intervals_are_those_of_the_c_summary_to_twelve_digits():
    for trial in range(40):
        values = RANDOM.standard_normal(2 + trial % 19) * 10.0**(trial % 5 - 2) + RANDOM.standard_normal()
        level = (0.9, 0.95, 0.99)[trial % 3]
        if trial % 4 == 0:
            values[0] = math.nan
        done = subprocess.run([INTERVAL_TOOL, repr(level), *(repr(float(v)) for v in values)], capture_output=True, text=True, check=True)
        mean, low, high, deviation, count = map(float, done.stdout.split())
        ours = statistics.t_interval(values, level)
        assert ours.count == count
        for a, b in ((ours.mean, mean), (ours.low, low), (ours.high, high), (ours.deviation, deviation)):
            assert (math.isnan(a) and math.isnan(b)) or abs(a - b) <= 1e-12 * max(1, abs(b)), (trial, a, b)


@sentence
def skewed_seeds_get_the_bootstrap_t_and_few_or_even_ones_do_not():
    skewed = numpy.exp(RANDOM.standard_normal(20) * 1.5)
    chosen = statistics.estimate(skewed)
    assert chosen.method == "bootstrap-t" and statistics.estimate(skewed[:9]).method == "t"
    assert statistics.estimate(numpy.linspace(-1, 1, 20)).method == "t"
    again = statistics.estimate(skewed)
    assert (again.low, again.high, again.p) == (chosen.low, chosen.high, chosen.p), "resamples are drawn from a fixed generator"
    plain = statistics.t_interval(skewed)
    assert chosen.high - chosen.mean > plain.high - plain.mean, "the long tail is on the right, and so is the longer arm"
    assert chosen.mean - chosen.low < plain.mean - plain.low


@sentence
def the_bootstrap_t_covers_a_skewed_mean_where_t_does_not():
    truth, covered, plain = math.exp(0.5), 0, 0
    for trial in range(300):
        values = numpy.exp(numpy.random.default_rng([3, trial]).standard_normal(20))
        ours, theirs = statistics.bootstrap_t_interval(values, resamples=999), statistics.t_interval(values)
        covered += ours.low <= truth <= ours.high
        plain += theirs.low <= truth <= theirs.high
    assert covered / 300 > 0.91 and covered > plain + 10, (covered, plain)


# ---- slopes ----

def blocks(slope, noise=0.0, shape=(4, 6, 5)):
    x = numpy.sort(RANDOM.random((shape[0], shape[1])) * 5, axis=0)
    level = RANDOM.standard_normal(shape[1:])
    return level + slope * x[:, :, None] + noise * RANDOM.standard_normal(shape), x


@sentence
def the_slope_within_blocks_is_least_squares_with_one_intercept_per_block():
    y, x = blocks(0.3, 0.2)
    y[RANDOM.random(y.shape) < 0.2] = math.nan
    found = statistics.slope_per_seed(y, x)
    for seed in range(y.shape[2]):
        there = numpy.isfinite(y[:, :, seed])
        design = numpy.column_stack([x[there], *(numpy.eye(x.shape[1])[numpy.nonzero(there)[1]].T)])
        near(found[seed], numpy.linalg.lstsq(design, y[:, :, seed][there], rcond=None)[0][0], 1e-9)


@sentence
def missing_values_take_nothing_from_an_exact_slope_and_levels_of_blocks_do_not_matter():
    y, x = blocks(-0.7)
    y[RANDOM.random(y.shape) < 0.4] = math.nan
    numpy.testing.assert_allclose(statistics.slope_per_seed(y, x), -0.7, atol=1e-9)


@sentence
def a_seed_without_two_points_in_any_block_has_no_slope():
    y, x = blocks(1.0)
    y[1:, :, 2] = math.nan
    found = statistics.slope_per_seed(y, x)
    assert math.isnan(found[2]) and numpy.isfinite(numpy.delete(found, 2)).all()


@sentence
def the_interaction_of_two_and_three_axes_is_the_planted_one():
    a, b, c = numpy.arange(4.0), numpy.array([0.0, 1, 3]), numpy.array([0.0, 2, 5])
    grid = numpy.meshgrid(a, b, c, indexing="ij")
    y = 0.2 + 0.5 * grid[0] - 0.3 * grid[0] * grid[1] + 0.07 * grid[0] * grid[1] * grid[2]
    y = y[..., None, None] + RANDOM.standard_normal((2, 3))
    numpy.testing.assert_allclose(statistics.slope_of_slopes(y, [a, b, c]), 0.07, atol=1e-12)
    numpy.testing.assert_allclose(statistics.slope_of_slopes(y[:, :, 0], [a, b]), -0.3, atol=1e-12)
    numpy.testing.assert_allclose(statistics.slope_of_slopes(y[:, 0, 0], [a]), 0.5, atol=1e-12)


# ---- tests ----

@sentence
def holm_is_that_of_statsmodels_and_what_was_not_tested_costs_nothing():
    for trial in range(50):
        ps = RANDOM.random(1 + trial % 7)**3
        numpy.testing.assert_allclose(statistics.holm(ps), multipletests(ps, method="holm")[1], atol=1e-15)
    found = statistics.holm([0.01, math.nan, 0.04])
    assert math.isnan(found[1])
    numpy.testing.assert_allclose(found[[0, 2]], [0.02, 0.04])


@sentence
def equivalence_is_two_one_sided_t_tests():
    for trial in range(30):
        values = 0.01 * RANDOM.standard_normal(5) + 0.004 * (trial % 5)
        mean, error = values.mean(), values.std(ddof=1) / math.sqrt(5)
        by_hand = max(stats.t.sf((mean + 0.02) / error, 4), stats.t.sf((0.02 - mean) / error, 4))
        near(statistics.equivalence_p(values, 0.02), by_hand, 1e-10)
        near(statistics.equivalence_p(values, 0.02), ttost_paired(values, numpy.zeros(5), -0.02, 0.02)[0], 1e-10)
    assert math.isnan(statistics.equivalence_p([0.1], 0.02))
    assert statistics.equivalence_p([0.01, 0.01], 0.02) == 0 and statistics.equivalence_p([0.03, 0.03], 0.02) == 1


@sentence
def a_valley_and_a_hill_are_found_where_they_turn_and_a_line_is_not():
    x = numpy.repeat(numpy.arange(5.0)[:, None], 6, axis=1)
    noise = 0.05 * RANDOM.standard_normal((5, 6, 5))
    for sign, kind in ((1, "falls, then rises"), (-1, "rises, then falls")):
        turn = statistics.find_turn(sign * 0.1 * (x - 2)[:, :, None]**2 + noise, x)
        assert turn.p < 0.01 and turn.place == 2 and turn.kind == kind, turn
        assert sign * turn.before.mean < 0 < sign * turn.after.mean
    assert statistics.find_turn(0.1 * x[:, :, None] + noise, x).p > 0.5
    assert statistics.find_turn(noise[:2], x[:2]) is None


@sentence
def a_monotone_curve_that_is_flat_at_one_end_is_called_a_turn_in_no_more_than_one_of_forty():
    """The hardest monotone curve for the test: one side steep, the other flat."""
    x, called = numpy.repeat(numpy.arange(5.0)[:, None], 3, axis=1), 0
    for trial in range(400):
        noise = 0.05 * numpy.random.default_rng([9, trial]).standard_normal((5, 3, 5))
        called += statistics.find_turn(numpy.minimum(x, 2)[:, :, None] + noise, x).p <= 0.05
    assert called <= 10, called


if __name__ == "__main__":
    run_sentences()

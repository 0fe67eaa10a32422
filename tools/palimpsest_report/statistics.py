"""Estimates whose unit is the seed, and the tests that a verdict rests on.  Pure functions over numpy arrays.

Everything comes down to one number per seed (a slope, a contrast, a slope of slopes); items, pairs and the other axes are
nested inside it.  Over those numbers stands Student's t, as in src/answer/interval.c, or where they are skewed and many
enough the bootstrap-t (Efron and Tibshirani 1993, chapter 12.5).  A percentile bootstrap over five seeds covers about
85 %, so none is used here.
"""
import math
from dataclasses import dataclass, replace

import numpy
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from palimpsest_results import student_quantile

LEVEL = 0.95
SKEWED = 1.0         # of the adjusted Fisher-Pearson coefficient, beyond which t is not trusted ...
SEEDS_TO_RESAMPLE = 10  # ... if there are so many seeds: resamples of fewer are often nearly constant
RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """Mean over seeds with an interval at `level`; NaN where there are no values (mean) or only one (the rest)."""
    mean: float
    low: float
    high: float
    deviation: float  # standard deviation over seeds
    count: int        # seeds behind it
    p: float          # two-sided, of a mean of 0
    method: str       # "t" or "bootstrap-t"
    level: float = LEVEL


def finite(values):
    values = numpy.asarray(values, dtype=float).ravel()
    return values[numpy.isfinite(values)]


def t_interval(values, level=LEVEL):
    """Mean +- t(1/2 + level/2, n - 1) s / sqrt(n) over values [seeds], NaN left out; the formula of the C summary."""
    values = finite(values)
    count = len(values)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, math.nan, 0, math.nan, "t", level)
    mean = float(values.mean())
    if count == 1:
        return Interval(mean, math.nan, math.nan, math.nan, 1, math.nan, "t", level)
    deviation = float(values.std(ddof=1))
    error = deviation / math.sqrt(count)
    half = float(student_quantile(0.5 + level / 2, count - 1)) * error
    if error > 0:
        p = float(2 * stats.t.sf(abs(mean) / error, count - 1))
    else:
        p = 1.0 if mean == 0 else 0.0
    return Interval(mean, mean - half, mean + half, deviation, count, p, "t", level)


def is_skewed(values):
    values = finite(values)
    if len(values) < SEEDS_TO_RESAMPLE or values.std() == 0:
        return False
    return abs(stats.skew(values, bias=False)) > SKEWED


def bootstrap_t_interval(values, level=LEVEL, resamples=RESAMPLES):
    """Quantiles of (m* - m) / se* over resamples of the seeds, drawn from a fixed generator, in the place of Student's."""
    values = finite(values)
    plain = t_interval(values, level)
    error = plain.deviation / math.sqrt(len(values))
    drawn = numpy.random.default_rng(20260101).choice(values, (resamples, len(values)))
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(len(values))
    kept = errors > 1e-12 * error
    studentised = numpy.sort((drawn.mean(axis=1)[kept] - plain.mean) / errors[kept])
    tail = (1 - level) / 2
    low, high = numpy.quantile(studentised, [tail, 1 - tail])
    observed = plain.mean / error
    side = min((studentised >= observed).mean(), (studentised <= observed).mean())
    p = min(1.0, 2 * float(max(side, 1 / (len(studentised) + 1))))
    return Interval(plain.mean, plain.mean - high * error, plain.mean - low * error, plain.deviation, plain.count, p,
                    "bootstrap-t", level)


def estimate(values, level=LEVEL):
    """The interval that is reported: bootstrap-t where the seeds are skewed and at least SEEDS_TO_RESAMPLE, else t."""
    return bootstrap_t_interval(values, level) if is_skewed(values) else t_interval(values, level)


# ---- one number per seed ----

def slope_per_seed(y, x):
    """Slope of y on x within blocks, pooled over the blocks, for each seed.

    y: [axis, block, seed], NaN where missing; x: [axis, block].  Returns [seed], in units of y per unit of x; NaN where a
    seed has no block with two different x.  Least squares with one intercept per block (the "within" estimator): with
    nothing missing it is the mean of the slopes of the blocks; what is missing takes its block's information with it and
    biases nothing.
    """
    present = numpy.isfinite(y)
    places = numpy.where(present, x[:, :, None], 0.0)
    counts = present.sum(axis=0)
    centre = places.sum(axis=0) / numpy.maximum(counts, 1)
    away = numpy.where(present, x[:, :, None] - centre, 0.0)
    above = (away * numpy.where(present, y, 0.0)).sum(axis=(0, 1))
    below = (away**2).sum(axis=(0, 1))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.where(below > 1e-12, above / below, numpy.nan)


def contrast_per_seed(y, first, last):
    """Mean over blocks of y[last] - y[first], for each seed; y: [axis, block, seed].  Returns [seed]."""
    difference = y[last] - y[first]
    return mean_present(difference, axis=0)


def mean_present(values, axis):
    """Mean over what is not missing, NaN of nothing, without numpy's warning."""
    present = numpy.isfinite(values)
    counts = present.sum(axis=axis)
    total = numpy.where(present, values, 0.0).sum(axis=axis)
    with numpy.errstate(invalid="ignore", divide="ignore"):
        return numpy.where(counts > 0, total / counts, numpy.nan)


def slope_of_slopes(y, places):
    """Interaction of several axes, for each seed: the slope along the last of the slopes along the one before it, ...

    y: [axis 1, ..., axis k, block, seed]; places: k arrays, the x of each axis [axis].  Returns [seed], in units of y per
    product of the units of x.
    """
    if len(places) == 1:
        return slope_per_seed(y, numpy.repeat(places[0][:, None], y.shape[1], axis=1))
    inner = numpy.stack([slope_of_slopes(numpy.take(y, i, axis=len(places) - 1), places[:-1])
                         for i in range(len(places[-1]))])
    return slope_per_seed(inner[:, None, :], numpy.asarray(places[-1])[:, None])


# ---- tests ----

def equivalence_p(values, margin):
    """Two one-sided t tests that the mean is inside -margin .. margin (Schuirmann 1987): the larger p; NaN under two seeds."""
    values = finite(values)
    if len(values) < 2:
        return math.nan
    if values.std() == 0:
        return 0.0 if abs(values.mean()) < margin else 1.0
    return float(DescrStatsW(values).ttost_mean(-margin, margin)[0])


def holm(ps):
    """Holm 1979: p-values corrected for how many there are; NaN (no test) stays NaN and costs nothing."""
    ps = numpy.asarray(ps, dtype=float)
    adjusted = numpy.full(len(ps), numpy.nan)
    order = [i for i in numpy.argsort(ps) if numpy.isfinite(ps[i])]
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * ps[i]))
        adjusted[i] = largest
    return adjusted


def one_sided(values):
    """p that the mean is above 0, and p that it is below 0 (t test); 1 and 1 under two seeds."""
    interval = t_interval(values)
    if not math.isfinite(interval.p):
        return 1.0, 1.0
    return (interval.p / 2, 1 - interval.p / 2) if interval.mean > 0 else (1 - interval.p / 2, interval.p / 2)


@dataclass(frozen=True)
class Turn:
    """A U-curve, either way up, and the place that divides it best."""
    p: float            # of any turn at all
    place: int          # index along the axis
    before: Interval    # slope up to and with it
    after: Interval     # slope from it on
    kind: str           # "falls, then rises" or "rises, then falls"


def find_turn(y, x):
    """Test of a U-curve, either way up; None with fewer than three points.

    y: [axis, block, seed]; x: [axis, block].  Simonsohn 2018's two lines: at each inner point the slope of the points up to
    it and of those from it on must both differ from 0, with opposite signs.  That both must do so makes the larger of the
    two one-sided p a valid one (Berger 1982) for any monotone curve, whose slope has the same sign on every stretch;
    times two for either way up, times the number of inner points for the choice among them (Bonferroni).
    """
    inner = range(1, len(y) - 1)
    turns = []
    for place in inner:
        before = slope_per_seed(y[:place + 1], x[:place + 1])
        after = slope_per_seed(y[place:], x[place:])
        (up, down), (up_after, down_after) = one_sided(before), one_sided(after)
        valley, hill = max(down, up_after), max(up, down_after)
        kind = "falls, then rises" if valley < hill else "rises, then falls"
        turns.append(Turn(min(1.0, 2 * len(inner) * min(valley, hill)), place, estimate(before), estimate(after), kind))
    if not turns:
        return None
    clearest = min(turns, key=lambda turn: turn.p)
    alike = [turn for turn in turns if turn.kind == clearest.kind and turn.before.mean * turn.after.mean < 0]
    divides = max(alike, key=lambda turn: min(abs(turn.before.mean), abs(turn.after.mean)), default=clearest)
    return replace(divides, p=clearest.p)

"""From the rule in the file to a verdict: supported, contradicted, non-monotone or undecided, with the reason.

For each claim, on the reading that it asks for (outcomes.readings):
  1. fewer seeds than the rule asks for, or fewer than two usable points: undecided;
  2. the curve turns (statistics.find_turn), some stretch of it steeper than +-equivalence: non-monotone;
  3. at the levels of another axis the effect has opposite signs, each beyond chance and one of them beyond +-equivalence:
     undecided, it depends on that axis;
  4. two one-sided tests put the effect inside +-equivalence, and no stretch of the curve is steeper than that: there is no
     difference as the rule means it, which contradicts a claim of one and supports a claim of none;
  5. the effect differs from 0: supported or contradicted by its sign, unless another measure of forgetting or another
     reading of the same kind (at equal success on B, or after the same training) shows the opposite sign, also beyond
     chance: undecided, the named outcomes disagree;
  6. else undecided.
The p of steps 2, 4 and 5 are each corrected after Holm over all claims of the file.
"""
import math
from dataclasses import dataclass, field

import numpy

from . import lm_loss, outcomes, statistics
from .statistics import Interval

NOTABLE = 0.2  # share of missing cells from which a verdict speaks of them
SUPPORTED, CONTRADICTED, NON_MONOTONE, UNDECIDED = "supported", "contradicted", "non-monotone", "undecided"


@dataclass
class Estimate:
    """One reading of a claim, brought down to one number per seed."""
    reading: outcomes.Reading
    values: numpy.ndarray  # [seed]
    interval: Interval
    points: int            # usable values of the axis


@dataclass(frozen=True)
class Reversal:
    """Whether the sign of an effect depends on the level of another axis."""
    axis: str
    p: float
    rises: str    # label of the level where it rises most clearly
    falls: str
    largest: float  # |mean| of the larger of the two


@dataclass
class Evidence:
    """All that a verdict is passed on."""
    claim: object
    estimates: list = field(default_factory=list)     # Estimate, the default reading first
    fellows: list = field(default_factory=list)       # (measure, Interval): other measures of forgetting
    turn: object = None                               # statistics.Turn
    steepest: float = math.nan                        # largest |slope| of a stretch between neighbouring points
    reversals: list = field(default_factory=list)     # Reversal, one for each other axis
    on_off: Interval = None                           # amount 0 against the others, tokens only
    residual: object = None                           # lm_loss.Residual
    counts: dict = field(default_factory=dict)        # cells of the default reading (outcomes.count)
    trouble: str = ""                                 # why there is nothing to judge
    equivalence_p: float = math.nan
    difference_p: float = math.nan
    turn_p: float = math.nan                          # the last three after Holm, once `judge` has seen all claims


@dataclass
class Judgement:
    claim: object
    verdict: str
    reason: str
    evidence: Evidence

    @property
    def sentence(self):
        return f"{self.claim.name.replace('_', ' ').capitalize()}: {self.verdict}. {self.reason}"


# ---- one claim ----

@dataclass
class Lines:
    """An outcome laid along one axis: points in rising order, amount 0 left out."""
    y: numpy.ndarray  # [axis, other axes ..., seed], NaN where missing
    x: numpy.ndarray  # [axis, other axes ...], doublings; None where the axis has no numbers
    others: list      # names of the other axes

    @property
    def points(self):
        return int(numpy.isfinite(self.y).any(axis=tuple(range(1, self.y.ndim))).sum())

    def flat(self):
        """(y [axis, block, seed], x [axis, block])"""
        y = self.y.reshape(len(self.y), -1, self.y.shape[-1])
        return y, None if self.x is None else self.x.reshape(len(y), -1)

    def at(self, other, level):
        """The lines at one level of another axis."""
        axis = 1 + self.others.index(other)
        return Lines(numpy.take(self.y, [level], axis), None if self.x is None else numpy.take(self.x, [level], axis), self.others)


def lines_of(results, array, claim):
    """The outcome as Lines along the claim's axis; `trouble_of` has said that there are any."""
    if "seed" not in array.dims:
        array = array.expand_dims("seed")
    key = ("layout", claim.axis, claim.statistic == "last_minus_first", array.dims)
    order, trained, points, x = results.once(key, lambda: layout_of(results, array, claim))
    y = array.transpose(*order).values
    if trained is not None:
        y = numpy.where(trained, y, numpy.nan)
    if x is not None:
        y = numpy.where(numpy.isfinite(x)[..., None], y[points], numpy.nan)
    return Lines(y, x, order[1:-1])


def layout_of(results, array, claim):
    """What is the same for all arrays of these dimensions: (order of dimensions, where the models are pretrained or None, the
    points in rising order, their x)."""
    dimension = outcomes.dimension_of(results.data, claim.axis)
    order = [dimension, *(str(name) for name in array.dims if name not in (dimension, "seed")), "seed"]
    trained = outcomes.is_pretrained(results)
    if trained is not None:
        fits = set(trained.dims) <= set(array.dims)
        trained = trained.broadcast_like(array).transpose(*order).values if fits else None
    if claim.statistic == "last_minus_first":
        return order, trained, None, None
    places = outcomes.doublings(results, claim.axis)
    x = places.broadcast_like(array.isel(seed=0, drop=True)).transpose(*order[:-1]).values
    middle = statistics.mean_present(x.reshape(len(x), -1), axis=1)
    points = [i for i in numpy.argsort(middle) if numpy.isfinite(middle[i])]
    return order, trained, points, x[points]


def per_seed(lines):
    """The claim's statistic for each seed [seed]: the slope where the axis has numbers, else last minus first."""
    y, x = lines.flat()
    if x is not None:
        return statistics.slope_per_seed(y, x)
    there = numpy.flatnonzero(numpy.isfinite(y).any(axis=(1, 2)))
    if len(there) < 2:
        return numpy.full(y.shape[-1], numpy.nan)
    return statistics.contrast_per_seed(y, there[0], there[-1])


def trouble_of(results, array, claim):
    """Why a claim cannot be read off an outcome; empty where it can."""
    dimension, places = outcomes.dimension_of(results.data, claim.axis), outcomes.doublings(results, claim.axis)
    if dimension is None or dimension not in array.dims:
        return f"the outcome does not vary along {claim.axis}"
    if claim.statistic != "last_minus_first" and (places is None or dimension not in places.dims):
        return f"the values of {claim.axis} are not numbers, so nothing doubles; ask for last_minus_first"
    return ""


def steepest_stretch(y, x):
    """Largest |slope| between neighbouring points, mean over seeds."""
    slopes = [statistics.slope_per_seed(y[i:i + 2], x[i:i + 2]) for i in range(len(y) - 1)]
    means = [abs(float(numpy.nanmean(s))) for s in slopes if numpy.isfinite(s).any()]
    return max(means, default=math.nan)


def reversals_of(data, lines):
    """How far every other axis changes the sign of the effect.

    At each level of the other axis one slope per seed.  That some slope is above 0 and some other below it is shown by the
    smallest one-sided p of either kind, times the number of levels (Bonferroni), the larger of the two.
    """
    found = []
    for axis, other in enumerate(lines.others):
        levels = lines.y.shape[1 + axis]
        if levels < 2:
            continue
        slopes = [per_seed(lines.at(other, level)) for level in range(levels)]
        up, down = numpy.array([statistics.one_sided(values) for values in slopes]).T
        rises, falls = int(up.argmin()), int(down.argmin())
        labels = [str(label) for label in data[other].values] if other in data.coords else list(map(str, range(levels)))
        largest = max((abs(statistics.t_interval(slopes[place]).mean) for place in (rises, falls)))
        found.append(Reversal(other, min(1.0, levels * max(up.min(), down.min())), labels[rises], labels[falls], largest))
    return found


AT_EQUAL = (outcomes.EQUAL, outcomes.COMMON)


def fellows_of(results, claim, reading, level):
    """Other measures of forgetting along the claim's axis, read in the same way: (measure, Interval)."""
    found = []
    for measure in outcomes.MEASURES if claim.outcome in outcomes.MEASURES else []:
        if measure == claim.outcome or measure not in results.data:
            continue
        alike = outcomes.readings(results, measure, claim.axis, claim.reading)[0]
        if (alike.name in AT_EQUAL) == (reading.name in AT_EQUAL):
            found.append((measure, statistics.estimate(per_seed(lines_of(results, alike.array, claim)), level)))
    return found


def on_off_contrast(data, array):
    """Forgetting of pretrained models minus that of untrained ones, everything else held; None without amount 0."""
    tokens, dimension = outcomes.raw_places(data, "tokens"), outcomes.dimension_of(data, "tokens")
    if tokens is None or dimension is None or dimension not in array.dims or "seed" not in array.dims:
        return None
    off = array.where(tokens == 0).mean(dimension)
    on = array.where(tokens > 0).mean(dimension)
    difference = (on - off).transpose(..., "seed").values
    values = statistics.mean_present(difference.reshape(-1, difference.shape[-1]), axis=0)
    return statistics.estimate(values) if numpy.isfinite(values).any() else None


def evidence_of(results, claim):
    """What the file says about a claim, before the other claims are looked at."""
    data, evidence = results.data, Evidence(claim)
    level = 1 - claim.alpha
    if claim.outcome not in data:
        evidence.trouble = f"the file holds no {claim.outcome}"
        return evidence
    if claim.statistic == "residual_given_lm_loss":
        evidence.residual = lm_loss.residual_of(results, claim)
        evidence.trouble = evidence.residual.trouble
        return evidence
    evidence.trouble = trouble_of(results, data[claim.outcome], claim)
    if evidence.trouble:
        return evidence
    for reading in outcomes.readings(results, claim.outcome, claim.axis, claim.reading):
        if not trouble_of(results, reading.array, claim):
            lines = lines_of(results, reading.array, claim)
            values = per_seed(lines)
            evidence.estimates.append(Estimate(reading, values, statistics.estimate(values, level), lines.points))
    first = evidence.estimates[0]
    evidence.counts = outcomes.count(results, first.reading)
    lines = lines_of(results, first.reading.array, claim)
    if lines.x is not None:
        evidence.turn, evidence.steepest = statistics.find_turn(*lines.flat()), steepest_stretch(*lines.flat())
    evidence.fellows = fellows_of(results, claim, first.reading, level)
    evidence.reversals = reversals_of(data, lines)
    if claim.axis == "tokens":
        evidence.on_off = on_off_contrast(data, outcomes.plain(results, claim.outcome))
    evidence.difference_p = first.interval.p
    evidence.equivalence_p = statistics.equivalence_p(first.values, claim.equivalence)
    evidence.turn_p = evidence.turn.p if evidence.turn else math.nan
    return evidence


# ---- all claims ----

def judge(results):
    """One Judgement for each claim of the file, in its order."""
    found = [evidence_of(results, claim) for claim in results.claims]
    for evidence in found:
        if evidence.residual is not None and not evidence.trouble:
            evidence.difference_p, evidence.equivalence_p = evidence.residual.p, evidence.residual.equivalence_p
    for name in ("difference_p", "equivalence_p", "turn_p"):
        for evidence, p in zip(found, statistics.holm([getattr(evidence, name) for evidence in found])):
            setattr(evidence, name, float(p))
    return [Judgement(evidence.claim, *(lm_loss.verdict(evidence) if evidence.residual is not None else decide(evidence)),
                      evidence) for evidence in found]


def opposite(interval, mean):
    """The interval excludes 0, on the other side than `mean`."""
    return (interval.low > 0 > mean) or (interval.high < 0 < mean)


def objection(evidence):
    """What speaks against taking the sign of the default reading at its word; empty when nothing does."""
    first, mean = evidence.estimates[0].reading, evidence.estimates[0].interval.mean
    for measure, interval in evidence.fellows:
        if opposite(interval, mean):
            return (f"another measure of forgetting says the opposite: {measure} changes by {signed(interval)}, so the named "
                    "outcomes disagree")
    for other in evidence.estimates[1:]:
        alike = (other.reading.name in AT_EQUAL) == (first.name in AT_EQUAL)  # else that they differ is the finding
        if alike and not other.reading.bound and opposite(other.interval, mean):
            return f"read {other.reading.name} the effect has the opposite sign: {signed(other.interval)}"
    return ""


def reversal(evidence):
    """Where the sign depends on another axis, beyond chance; empty where it does not."""
    for one in evidence.reversals:
        if one.p <= evidence.claim.alpha and one.largest > evidence.claim.equivalence:
            return (f"the sign depends on {one.axis}: {evidence.claim.outcome} rises at {one.rises} and falls at {one.falls} "
                    f"(p = {one.p:.2g})")
    return ""


def decide(evidence):
    """(verdict, reason) by the rule in this module's docstring."""
    claim = evidence.claim
    if evidence.trouble:
        return UNDECIDED, f"Nothing to judge: {evidence.trouble}."
    first = evidence.estimates[0]
    said = effect_sentence(evidence)
    if first.points < 2:
        return UNDECIDED, (f"Nothing to compare: {points_sentence(first.points)} of {claim.axis} with values (amount 0 is not "
                           "counted, and where the first task was not learnt there is nothing to forget).")
    if first.interval.count < claim.minimum_seeds:
        return UNDECIDED, f"Values for {plural(first.interval.count, 'seed')}; the rule asks for {claim.minimum_seeds}. {said}"
    margin = claim.equivalence
    if evidence.turn and evidence.turn_p <= claim.alpha and evidence.steepest > margin:
        return NON_MONOTONE, turn_sentence(evidence)
    depends = reversal(evidence)
    if depends:
        return UNDECIDED, f"{said} But {depends}: see the interactions."
    if evidence.equivalence_p <= claim.alpha and not evidence.steepest > margin:
        return (SUPPORTED if claim.direction == "none" else CONTRADICTED), \
            (f"No difference: the effect is inside ±{margin:g}, which the rule counts as none (p = {evidence.equivalence_p:.2g}). "
             f"{said}")
    if not evidence.difference_p <= claim.alpha:
        return UNDECIDED, (f"{said} That includes no effect after Holm's correction (p = {evidence.difference_p:.2g}), and is too "
                           f"wide to show that there is none (±{margin:g}).")
    against = objection(evidence)
    if against:
        return UNDECIDED, f"{said} But {against}."
    wanted = {"down": first.interval.mean < 0, "up": first.interval.mean > 0, "none": False}[claim.direction]
    return (SUPPORTED if wanted else CONTRADICTED), f"{said} Holm-corrected p = {evidence.difference_p:.2g}."


# ---- words ----

def plural(count, word):
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def signed(interval):
    if not math.isfinite(interval.mean):
        return "no value"
    if not math.isfinite(interval.low):
        return f"{interval.mean:+.3f} (one seed, no interval)"
    return f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def per_what(claim):
    if claim.statistic == "last_minus_first":
        return f"between the ends of {claim.axis}"
    return f"per {outcomes.unit_of(claim.axis)}"


def points_sentence(points):
    return "there is no point" if points == 0 else "there is one point" if points == 1 else f"there are {points} points"


def effect_sentence(evidence):
    claim, first = evidence.claim, evidence.estimates[0]
    counts = evidence.counts
    rest = ""
    if counts.get("missing", 0) > NOTABLE * counts.get("cells", 1):
        rest = f" This rests on {counts['used']} of {counts['cells']} cells: in {counts['missing']} there was nothing to compare."
    return (f"{claim.outcome.replace('_', ' ').capitalize()} changes by {signed(first.interval)} {per_what(claim)} "
            f"({first.reading.name}; {plural(first.interval.count, 'seed')}, {100 * first.interval.level:g} % "
            f"{first.interval.method} interval).{rest}")


def turn_sentence(evidence):
    turn, claim = evidence.turn, evidence.claim
    return (f"Along {claim.axis} {claim.outcome.replace('_', ' ')} {turn.kind}: {signed(turn.before)} {per_what(claim)} up to "
            f"point {turn.place + 1}, {signed(turn.after)} from there on (p = {evidence.turn_p:.2g}). One slope does not "
            "describe it.")


# ---- interactions ----

def interactions(results, outcome, axes):
    """Interaction of every two, and of all three, of the axes: (axes, Interval) with the slope of slopes over seeds.

    In units of the outcome per product of doublings: how much the effect of the one changes when the other doubles.
    """
    data = results.data
    array = outcomes.pretrained_only(results, outcomes.plain(results, outcome))
    usable = []
    for axis in axes:
        dimension, places = outcomes.dimension_of(data, axis), outcomes.doublings(results, axis)
        if dimension in array.dims and places is not None and dimension in places.dims and "seed" in array.dims:
            along = places.mean([name for name in places.dims if name != dimension])
            if int(along.notnull().sum()) > 1 and dimension not in [used[1] for used in usable]:
                usable.append((axis, dimension, along))
    found = []
    for group in groups_of(usable):
        names, dimensions, along = zip(*group)
        others = [name for name in array.dims if name not in (*dimensions, "seed")]
        kept = array.isel({d: numpy.flatnonzero(a.notnull().values) for d, a in zip(dimensions, along)})
        y = kept.transpose(*dimensions, *others, "seed").values
        y = y.reshape(*y.shape[:len(dimensions)], -1, y.shape[-1])
        places = [a.values[numpy.isfinite(a.values)] for a in along]
        found.append((names, statistics.estimate(statistics.slope_of_slopes(y, places))))
    return found


def groups_of(axes):
    pairs = [(a, b) for i, a in enumerate(axes) for b in axes[i + 1:]]
    return pairs + ([tuple(axes)] if len(axes) == 3 else [])


def at_fixed_ratio(judgements):
    """Effect of size when tokens grow with it (tokens per parameter held): to first order the sum of both slopes, seed by
    seed; None unless both claims are slopes of one outcome."""
    by_axis = {j.claim.axis: j for j in judgements
               if j.claim.statistic == "slope_per_doubling" and j.evidence.estimates}
    if "size" not in by_axis or "tokens" not in by_axis:
        return None
    size, tokens = (by_axis[axis].evidence.estimates for axis in ("size", "tokens"))
    if by_axis["size"].claim.outcome != by_axis["tokens"].claim.outcome:
        return None
    return statistics.estimate(size[0].values + tokens[0].values)

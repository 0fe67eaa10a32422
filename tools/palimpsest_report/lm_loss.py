"""The second hypothesis of the field: what is forgotten depends on the language-modelling loss alone (after Saunshi et al.
2021), in a form that can fail.

One monotone g for all pretrained models: outcome = g(loss) + residual.  If the loss is enough, size, tokens, variety and the
rest of the route to it explain nothing of the residual.  Three looks at that, the unit of inference being the seed:
  permutation   the share of the residual that the levels of the axes explain, against residuals shuffled among the models of
                a seed, g fitted anew each time (Freedman and Lane 1983);
  slopes        of the residual along each axis, the others held, over seeds;
  matched       pairs of models of nearly one loss that got there by different routes.
"""
import math
from dataclasses import dataclass, field

import numpy
from scipy import stats
from sklearn.isotonic import IsotonicRegression

from . import outcomes, statistics

PERMUTATIONS = 1999
MATCHED = 0.05  # of the range of the loss: two models so near have "the same" loss
ROUTES = ("size", "tokens", "variety")


@dataclass
class Residual:
    """What is left of an outcome once the loss has had its say."""
    trouble: str = ""
    loss: numpy.ndarray = None      # [cell, seed], nats per token, mean over the reference domains
    outcome: numpy.ndarray = None   # [cell, seed], effects of pair and seed taken out, their mean put back
    fitted: numpy.ndarray = None    # [cell, seed], g(loss)
    levels: dict = field(default_factory=dict)   # axis: index of each cell's level [cell]
    places: dict = field(default_factory=dict)   # axis: log2 of each cell's value [cell]
    labels: list = field(default_factory=list)   # of cells, for the figure: (axis, label) of size
    explained: float = math.nan     # share of the residual's variance
    p: float = math.nan             # of the permutation test
    equivalence_p: float = math.nan
    slopes: dict = field(default_factory=dict)   # axis: Interval per doubling
    slope_p: dict = field(default_factory=dict)  # axis: after Holm over the axes
    matched: dict = field(default_factory=dict)  # axis: (Interval per doubling, pairs of models)


def additive_part(array):
    """Cell effects of array [cell, other, seed], the additive effect of `other` (pairs, rates) taken out, seed by seed.

    Least squares for outcome = cell + other by alternating means, which with nothing missing is the plain mean.  Returns
    [cell, seed]; NaN where a cell has nothing.
    """
    cell = statistics.mean_present(array, axis=1)
    for _ in range(30):
        other = statistics.mean_present(array - cell[:, None, :], axis=0)
        other = other - statistics.mean_present(other, axis=0)
        cell = statistics.mean_present(array - other[None], axis=1)
    return cell


def cells_of(results, claim):
    """(outcome [cell, seed], loss [cell, seed], levels, places): the pretrained models of the sweep; or a Residual with
    trouble."""
    data = results.data
    array = outcomes.pretrained_only(results, outcomes.plain(results, claim.outcome))
    if "pretrained_lm_loss" not in data or "seed" not in array.dims:
        return Residual("the file holds no language-modelling loss for each seed")
    loss = data["pretrained_lm_loss"].mean("domain")
    dims = [name for name in array.dims if name in loss.dims and name != "seed"]
    if not dims or not set(loss.dims) <= set(array.dims):
        return Residual("the models and the outcomes do not share the axes of pretraining")
    others = [name for name in array.dims if name not in (*dims, "seed")]
    y = array.transpose(*dims, *others, "seed").values
    y = additive_part(y.reshape(math.prod(array.sizes[d] for d in dims), -1, array.sizes["seed"]))
    x = loss.transpose(*dims, "seed").values.reshape(y.shape)
    index = numpy.indices([array.sizes[d] for d in dims]).reshape(len(dims), -1)
    levels, places = {}, {}
    for position, dimension in enumerate(dims):
        if array.sizes[dimension] > 1:
            levels[dimension] = index[position]
    for axis in dict.fromkeys([*ROUTES, *dims]):
        dimension, along = outcomes.dimension_of(data, axis), outcomes.doublings(results, axis)
        if dimension in levels and along is not None and dimension in along.dims and set(along.dims) <= set(dims):
            like = array.isel({name: 0 for name in (*others, "seed")}, drop=True).transpose(*dims)
            places[axis] = along.broadcast_like(like).transpose(*dims).values.ravel()
    return y, x, levels, places


def isotonic(loss, outcome):
    """Best monotone g at the points themselves; which way it goes is taken from Spearman's correlation."""
    rising = stats.spearmanr(loss, outcome).correlation >= 0
    return IsotonicRegression(increasing=bool(rising)).fit(loss, outcome).predict(loss)


def basis_of(levels, seed, count):
    """Orthonormal columns that span the levels of all axes beyond a mean for each seed; levels, seed: [point]."""
    columns = [numpy.eye(count)[seed]]
    rank = numpy.linalg.matrix_rank(columns[0])
    columns += [numpy.eye(level.max() + 1)[level] for level in levels]
    q, r = numpy.linalg.qr(columns[0])
    rest = numpy.hstack(columns[1:]) if len(columns) > 1 else numpy.zeros((len(seed), 0))
    rest = rest - q[:, :rank] @ (q[:, :rank].T @ rest)
    u, size, _ = numpy.linalg.svd(rest, full_matrices=False)
    return u[:, size > 1e-9 * max(size.max(initial=0), 1)]


def explained_share(residual, basis):
    total = float(residual @ residual)
    return float(((basis.T @ residual)**2).sum() / total) if total > 0 else 0.0


def permutation_p(loss, outcome, seed, basis, permutations):
    """(share explained, p): residuals shuffled within each seed and put back on g, g fitted anew."""
    fitted = isotonic(loss, outcome)
    residual = outcome - fitted
    observed = explained_share(residual, basis)
    random = numpy.random.default_rng(20260102)
    places = [numpy.flatnonzero(seed == s) for s in numpy.unique(seed)]
    as_large = 0
    for _ in range(permutations):
        shuffled = residual.copy()
        for place in places:
            shuffled[place] = residual[random.permutation(place)]
        again = fitted + shuffled
        as_large += explained_share(again - isotonic(loss, again), basis) >= observed - 1e-12
    return observed, (1 + as_large) / (1 + permutations)


def partial_slopes(residual, places):
    """Slopes of the residual [cell, seed] on all axes at once, for each seed: axis -> [seed]."""
    names = list(places)
    found = {name: numpy.full(residual.shape[1], math.nan) for name in names}
    design = numpy.column_stack([numpy.ones(len(residual)), *places.values()])
    for seed in range(residual.shape[1]):
        there = numpy.isfinite(residual[:, seed]) & numpy.isfinite(design).all(axis=1)
        if there.sum() > design.shape[1] and numpy.linalg.matrix_rank(design[there]) == design.shape[1]:
            weights = numpy.linalg.lstsq(design[there], residual[there, seed], rcond=None)[0]
            for name, weight in zip(names, weights[1:]):
                found[name][seed] = weight
    return found


def matched_pairs(loss, outcome, place, tolerance):
    """Difference of the outcome per doubling of an axis between models of one loss, for each seed [seed], and how many
    pairs of models stand behind it in all."""
    values, pairs = numpy.full(loss.shape[1], math.nan), 0
    for seed in range(loss.shape[1]):
        there = numpy.flatnonzero(numpy.isfinite(loss[:, seed]) & numpy.isfinite(outcome[:, seed]) & numpy.isfinite(place))
        near = numpy.abs(loss[there, seed][:, None] - loss[there, seed]) <= tolerance
        apart = place[there] - place[there][:, None]  # [i, j]: how much larger j is than i
        chosen = near & (apart > 1e-9)
        if chosen.any():
            difference = outcome[there, seed] - outcome[there, seed][:, None]
            values[seed] = float((difference[chosen] * apart[chosen]).sum() / (apart[chosen]**2).sum())
            pairs += int(chosen.sum())
    return values, pairs


def residual_of(results, claim):
    """The three looks at what the loss leaves unexplained; with `trouble` where they cannot be taken."""
    found = cells_of(results, claim)
    if isinstance(found, Residual):
        return found
    outcome, loss, levels, places = found
    if claim.axis != "all":
        dimension = outcomes.dimension_of(results.data, claim.axis)
        levels = {name: level for name, level in levels.items() if name == dimension}
        places = {name: place for name, place in places.items() if name == claim.axis}
    there = numpy.isfinite(outcome) & numpy.isfinite(loss)
    seeds = there.any(axis=0).sum()
    if there.sum() < 8 or not levels or len(numpy.unique(numpy.nonzero(there)[0])) < 4:
        return Residual("fewer than four pretrained models have both a loss and an outcome")
    centre = statistics.mean_present(numpy.where(there, outcome, numpy.nan), axis=0)
    outcome = outcome - centre + numpy.nanmean(centre)
    seed = numpy.nonzero(there)[1]
    basis = basis_of([level[numpy.nonzero(there)[0]] for level in levels.values()], seed, outcome.shape[1])
    found = Residual("", loss, outcome, numpy.full(outcome.shape, math.nan), levels, places)
    found.fitted[there] = isotonic(loss[there], outcome[there])
    found.explained, found.p = permutation_p(loss[there], outcome[there], seed, basis, PERMUTATIONS)
    values = partial_slopes(numpy.where(there, outcome - found.fitted, math.nan), places)
    found.slopes = {name: statistics.estimate(value, 1 - claim.alpha) for name, value in values.items()}
    found.slope_p = dict(zip(values, statistics.holm([found.slopes[name].p for name in values])))
    ps = [statistics.equivalence_p(value, claim.equivalence) for value in values.values()]
    found.equivalence_p = max(ps) if ps and seeds > 1 else math.nan
    tolerance = MATCHED * float(numpy.nanmax(loss[there]) - numpy.nanmin(loss[there]))
    for name, place in places.items():
        value, pairs = matched_pairs(loss, numpy.where(there, outcome, math.nan), place, tolerance)
        found.matched[name] = (statistics.estimate(value, 1 - claim.alpha), pairs)
    return found


def verdict(evidence):
    """(verdict, reason): contradicted when the permutation test and the slope along some axis both say so; supported when no
    axis explains more than the rule's margin and models of one loss were there to be compared; else undecided."""
    claim, residual = evidence.claim, evidence.residual
    if evidence.trouble:
        return "undecided", f"Nothing to judge: {evidence.trouble}."
    seeds = max((interval.count for interval in residual.slopes.values()), default=0)
    said = (f"After the best monotone function of the loss, the axes explain {100 * residual.explained:.0f} % of what is left of "
            f"{claim.outcome.replace('_', ' ')}{outcomes.reading_word(claim.outcome)} "
            f"(permutation test, Holm-corrected p = {evidence.difference_p:.2g}; {seeds} seeds).")
    if seeds < claim.minimum_seeds:
        return "undecided", f"Values of {seeds} seeds; the rule asks for {claim.minimum_seeds}. {said}"
    strong = [(name, interval) for name, interval in residual.slopes.items()
              if residual.slope_p[name] <= claim.alpha and not abs(interval.mean) <= claim.equivalence]
    wanted = claim.direction == "none"
    if evidence.difference_p <= claim.alpha and strong:
        name, interval = max(strong, key=lambda one: abs(one[1].mean))
        return ("contradicted" if wanted else "supported"), \
            (f"{said} At one loss it still changes by {interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}] per "
             f"{outcomes.unit_of(name)}.")
    unmatched = [name for name, (_, pairs) in residual.matched.items() if pairs == 0]
    if evidence.equivalence_p <= claim.alpha and not unmatched:
        return ("supported" if wanted else "contradicted"), \
            f"{said} Along every axis the residual's slope is inside ±{claim.equivalence:g} per doubling."
    why = (f"no two models of different {' or '.join(unmatched)} come to one loss, so the routes cannot be told apart"
           if unmatched else f"the slopes of the residual are neither clear of 0 nor all inside ±{claim.equivalence:g}")
    return "undecided", f"{said} But {why}."

"""Which law describes the outcome: a tournament on held-out blocks, never on fit alone.

Laws over N weights (embeddings not counted) and D pretraining tokens, each with one level of its own for every pair of tasks
(and every value of the axes it does not speak of):
  power    level + A N^-a + B D^-b, the floor of the level included (Kaplan et al. 2020; Bethune et al. 2025)
  u_curve  level + c log2 D + d (log2 D)^2, and a slope in log2 N (the shape Springer et al. 2025 report)
  none     the level alone: size and tokens do not matter
  similar  level of all pairs + c times the similarity of the two tasks, where the file holds one (the null of Ramasesh et al.)
A law speaks of an axis only if that has at least SIX points; with none, there are not enough points and nothing is fitted.

Each law is fitted without the largest size, and without the longest amount, and has to predict them.  Errors are taken seed by
seed, so that the difference between two laws has an interval over seeds; parameters are fitted for each seed as well.
"""
import math
from dataclasses import dataclass, field

import numpy

from . import outcomes, statistics

SIX = 6
EXPONENTS = numpy.geomspace(0.02, 2.0, 41)  # searched for a and b
TITLES = {"power": "power law with a floor", "u_curve": "U-curve in tokens", "none": "no law (levels alone)",
          "similar": "linear in task similarity"}


@dataclass
class Table:
    """An outcome as points: one row per grid point with amount above 0, averaged over nothing."""
    y: numpy.ndarray        # [point, seed]
    size: numpy.ndarray     # [point], log2 weights above the smallest model's
    tokens: numpy.ndarray   # [point], log2 tokens above the shortest amount
    group: numpy.ndarray    # [point], index of the level
    similarity: numpy.ndarray  # [point], or None
    sizes: int              # distinct values of the axis
    amounts: int


@dataclass
class Law:
    name: str
    errors: dict = field(default_factory=dict)      # held-out block: root mean square error per seed [seed]
    parameters: dict = field(default_factory=dict)  # name: Interval over seeds
    edge: bool = False                              # an exponent ended at the edge of what was searched


@dataclass
class Tournament:
    trouble: str = ""
    speaks_of: list = field(default_factory=list)   # axes with enough points
    held_out: list = field(default_factory=list)    # words for the blocks
    laws: list = field(default_factory=list)        # best first
    margins: dict = field(default_factory=dict)     # law: Interval of its squared error minus the winner's, over seeds
    table: Table = None


# ---- the points ----

def table_of(results, outcome):
    """The Table of an outcome; None where it does not vary along size and tokens at all."""
    data = results.data
    array = outcomes.pretrained_only(results, outcomes.plain(results, outcome))
    if "seed" not in array.dims:
        return None
    axes = {axis: outcomes.dimension_of(data, axis) for axis in ("size", "tokens")}
    places = {axis: outcomes.doublings(results, axis) for axis in axes}
    others = [name for name in array.dims if name != "seed"]
    like = array.isel(seed=0, drop=True)
    y = array.transpose(*others, "seed").values.reshape(-1, array.sizes["seed"])
    flat = {}
    for axis, dimension in axes.items():
        there = places[axis] is not None and set(places[axis].dims) <= set(others)
        flat[axis] = places[axis].broadcast_like(like).transpose(*others).values.ravel() if there else numpy.zeros(len(y))
    keep = numpy.isfinite(y).any(axis=1) & numpy.isfinite(flat["size"]) & numpy.isfinite(flat["tokens"])
    if not keep.any():
        return None
    count = {axis: len(numpy.unique(flat[axis][keep].round(6))) for axis in axes}
    # amounts in multiples of the size are as many points as the axis has values, not as size and amount have together
    if axes["tokens"] in array.dims:
        rest = [name for name in array.dims if name != axes["tokens"]]
        count["tokens"] = min(count["tokens"], int(array.notnull().any(rest).sum()))
    level = level_of(array, others, axes, count)[keep]
    similarity = similarity_of(results, like, others)
    return Table(y[keep], flat["size"][keep] - flat["size"][keep].min(), flat["tokens"][keep] - flat["tokens"][keep].min(),
                 numpy.unique(level, return_inverse=True)[1], None if similarity is None else similarity[keep],
                 count["size"], count["tokens"])


def level_of(array, others, axes, count):
    """Index of the level of each point: its place on every axis that no law speaks of."""
    silent = [name for name in others if not any(name == axes[axis] and count[axis] >= SIX for axis in axes)]
    index = numpy.indices([array.sizes[name] for name in others]).reshape(len(others), -1)
    level = numpy.zeros(index.shape[1], dtype=int)
    for name in silent:
        level = level * array.sizes[name] + index[others.index(name)]
    return level


def similarity_of(results, like, others):
    """Similarity of the tasks of each point's pair [point], None where the file has none."""
    if "task_similarity" not in results.data.variables:
        return None
    array = results.data["task_similarity"]
    if "pair" not in array.dims or not set(array.dims) <= set(others):
        return None
    return array.broadcast_like(like).transpose(*others).values.ravel()


# ---- the laws, each linear but for its exponents ----

def terms_of(name, table, speaks_of, exponents):
    """Columns [point, term] that a law adds to the levels."""
    columns = []
    if name == "power":
        columns = [2.0**(-exponents[axis] * getattr(table, axis)) for axis in speaks_of]
    elif name == "u_curve":
        columns = [table.tokens, table.tokens**2] + ([table.size] if "size" in speaks_of else [])
    elif name == "similar":
        columns = [table.similarity]
    return numpy.column_stack(columns) if columns else numpy.zeros((len(table.size), 0))


def design_of(name, table, speaks_of, exponents):
    levels = numpy.ones((len(table.size), 1)) if name == "similar" else numpy.eye(table.group.max() + 1)[table.group]
    return numpy.hstack([levels, terms_of(name, table, speaks_of, exponents)])


def solve(design, y, rows):
    """Least squares on some rows: (weights, squared error on them); levels without a row there get weight 0."""
    weights = numpy.linalg.lstsq(design[rows], y[rows], rcond=None)[0]
    return weights, float(((y[rows] - design[rows] @ weights)**2).sum())


def exponent_grid(speaks_of):
    if len(speaks_of) == 1:
        return [{speaks_of[0]: a} for a in EXPONENTS]
    return [{"size": a, "tokens": b} for a in EXPONENTS[::2] for b in EXPONENTS[::2]]


def fit(name, table, y, rows, speaks_of):
    """(weights, exponents, design) of a law fitted to the rows: exponents by search over a grid, the rest linear."""
    if name != "power":
        design = design_of(name, table, speaks_of, {})
        return solve(design, y, rows)[0], {}, design
    best = None
    for exponents in exponent_grid(speaks_of):
        design = design_of(name, table, speaks_of, exponents)
        weights, error = solve(design, y, rows)
        if best is None or error < best[0]:
            best = (error, weights, exponents, design)
    return refine(name, table, y, rows, speaks_of, best)


def refine(name, table, y, rows, speaks_of, best, rounds=8):
    """Halves the steps of the grid around the best exponents."""
    step = EXPONENTS[2] / EXPONENTS[0]
    for _ in range(rounds):
        step = math.sqrt(step)
        centre = best[2]
        for axis in speaks_of:
            for factor in (1 / step, step):
                value = min(max(centre[axis] * factor, EXPONENTS[0]), EXPONENTS[-1])
                exponents = {**best[2], axis: value}
                design = design_of(name, table, speaks_of, exponents)
                weights, error = solve(design, y, rows)
                if error < best[0]:
                    best = (error, weights, exponents, design)
    return best[1:]


# ---- the tournament ----

def blocks_of(table, speaks_of):
    """Held-out blocks: words -> rows that are predicted, the largest size and the longest amount of those spoken of."""
    blocks = {}
    if "size" in speaks_of:
        blocks["the largest size"] = table.size > table.size.max() - 1e-9
    if "tokens" in speaks_of:
        longest = numpy.zeros(len(table.size), dtype=bool)
        for size in numpy.unique(table.size):
            own = table.size == size
            longest |= own & (table.tokens > table.tokens[own].max() - 1e-9)
        blocks["the longest amount"] = longest
    return blocks


def errors_per_seed(name, table, speaks_of, held):
    """Root mean square error on the held-out rows, for each seed, of the law fitted to the mean of all seeds elsewhere."""
    mean = statistics.mean_present(table.y, axis=1)
    weights, _, design = fit(name, table, mean, numpy.flatnonzero(~held), speaks_of)
    away = table.y[held] - (design[held] @ weights)[:, None]
    return numpy.sqrt(statistics.mean_present(away**2, axis=0))


def parameters_of(law, table, speaks_of, level):
    """Intervals over seeds of a law's own parameters, each seed fitted alone; marks a law whose exponents hit the edge."""
    found = {}
    for seed in range(table.y.shape[1]):
        rows = numpy.flatnonzero(numpy.isfinite(table.y[:, seed]))
        if len(rows) < 2 * SIX:
            continue
        weights, exponents, _ = fit(law.name, table, table.y[:, seed], rows, speaks_of)
        own = weights[len(weights) - terms_of(law.name, table, speaks_of, exponents or {"size": 1, "tokens": 1}).shape[1]:]
        names = {"power": [f"factor of {axis}" for axis in speaks_of], "similar": ["slope"], "none": [],
                 "u_curve": ["slope in log2 tokens", "curvature", *(["slope in log2 size"] if "size" in speaks_of else [])]}
        for key, value in [*zip(names[law.name], own), *((f"exponent of {axis}", v) for axis, v in exponents.items())]:
            found.setdefault(key, []).append(value)
        law.edge |= any(v <= EXPONENTS[0] * 1.01 or v >= EXPONENTS[-1] * 0.99 for v in exponents.values())
    return {key: statistics.estimate(values, level) for key, values in found.items()}


def tournament(results, outcome="forgetting", level=0.95):
    """Every law that has enough points, best first by its mean error on the held-out blocks."""
    table = table_of(results, outcome) if outcome in results.data else None
    if table is None:
        return Tournament(f"no finished cell of pretrained models has a value of {outcome} for each seed")
    speaks_of = [axis for axis, count in (("size", table.sizes), ("tokens", table.amounts)) if count >= SIX]
    if not speaks_of:
        return Tournament(f"not enough points: {table.sizes} sizes and {table.amounts} amounts above 0 have values; a law needs "
                          f"at least {SIX} on an axis", table=table)
    names = ["power", "none"] + (["u_curve"] if "tokens" in speaks_of else [])
    names += ["similar"] if table.similarity is not None and numpy.isfinite(table.similarity).all() else []
    blocks = blocks_of(table, speaks_of)
    laws = []
    for name in names:
        law = Law(name, {word: errors_per_seed(name, table, speaks_of, held) for word, held in blocks.items()})
        law.parameters = parameters_of(law, table, speaks_of, level)
        laws.append(law)
    laws.sort(key=lambda law: mean_error(law))
    squared = {law.name: sum(errors**2 for errors in law.errors.values()) / len(law.errors) for law in laws}
    margins = {law.name: statistics.estimate(squared[law.name] - squared[laws[0].name], level) for law in laws[1:]}
    return Tournament("", speaks_of, list(blocks), laws, margins, table)


def last_step(places):
    """Factor between the two largest values of an axis given in doublings: how far the held-out block lay outside."""
    values = numpy.unique(places.round(6))
    return float(2.0**(values[-1] - values[-2]))


def mean_error(law):
    return float(numpy.mean([numpy.nanmean(errors) for errors in law.errors.values()]))


def verdict(found):
    """Plain sentences: which law wins, and what can and cannot be extrapolated."""
    if found.trouble:
        return f"{found.trouble[0].upper()}{found.trouble[1:]}."
    best = found.laws[0]
    unclear = [TITLES[name] for name, margin in found.margins.items() if not margin.low > 0]
    held = " and ".join(found.held_out)
    said = f"{TITLES[best.name].capitalize()} predicts {held} best (error {mean_error(best):.3f} in units of the outcome)"
    said += f", but not beyond chance better than {' and '.join(unclear)}." if unclear else ", beyond chance better than every other."
    steps = {axis: last_step(getattr(found.table, axis)) for axis in found.speaks_of}
    axes = " and ".join({"size": f"{steps[a]:.3g} times the largest size", "tokens": f"{steps[a]:.3g} times the longest amount"}[a]
                        for a in found.speaks_of)
    if unclear or best.name in ("none", "similar"):
        said += (" So nothing about larger models or longer pretraining can be extrapolated from this sweep: within its range "
                 "the levels say as much as the curves.") if TITLES["none"] in unclear or best.name in ("none", "similar") else \
                " So the direction can be carried a little beyond the range measured, the amount cannot."
    else:
        said += (f" It has been checked one step beyond what it was fitted to, so reading it up to {axes} is a guess of that "
                 "quality; beyond that, and for axes with fewer than six points, this sweep says nothing.")
    if best.edge:
        said += " An exponent ended at the edge of what was searched: its size is not to be read."
    return said

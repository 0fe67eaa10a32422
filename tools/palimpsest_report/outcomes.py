"""The same question read in several ways: which numbers a claim is judged on, with what counted as missing.

Every reading is an xarray.DataArray over the axes of the sweep, NaN where missing.
"""
from dataclasses import dataclass

import numpy
import xarray

from palimpsest_results import PLACES
from .results_file import DONE, EXCLUDED

PLAIN, SOUND, BEST = "same training on B", "without failed runs", "at the rate best for B"
MATCHED = "at matched displacement"
EQUAL, COMMON = "at equal success on B", "at the best success on B that all reach"
AS_KEPT, AS_LOST = "what was not learnt counted as 0", "what was not learnt counted as 1"
# Measures of forgetting that grow when more is forgotten, each under its own name in the file.
MEASURES = ["forgetting", "forgetting_drop", "forgetting_loss_rise"]
NORMALISED = ["forgetting"]  # missing where the first task was not learnt
STORED_EQUAL = {"forgetting": "forgetting_equal_success"}  # by outcome: the program's own reading at equal success
SHARES = [*NORMALISED, *STORED_EQUAL.values()]  # 0 nothing is gone, 1 all


@dataclass
class Reading:
    """One way to read an outcome."""
    name: str
    array: xarray.DataArray
    note: str = ""
    bound: bool = False  # shows how much hangs on the missing; no evidence of its own


# ---- axes ----

def dimension_of(data, axis):
    """The dimension along which an axis of the sweep varies (a zip group's for its members); None where there is none."""
    name = axis.replace(".", "_")
    if name in data.dims:
        return name
    if name in data.coords and data[name].ndim == 1:
        return data[name].dims[0]
    return None


def raw_places(data, axis):
    """What an axis is counted in: weights without embeddings, tokens really read, or its own numbers; None of words."""
    stored = {"size": "parameters_non_embedding", "tokens": "pretraining_tokens"}.get(axis, axis.replace(".", "_"))
    if stored not in data.coords and stored not in data:
        return None
    places = data[stored]
    return places.astype(float) if numpy.issubdtype(places.dtype, numpy.number) else None


def doublings(results, axis):
    """log2 of an axis as a DataArray over the dimensions it depends on, NaN where it is not above 0; None of words."""
    def make():
        places = raw_places(results.data, axis)
        return None if places is None else numpy.log2(places.where(places > 0))
    return results.once(("doublings", axis), make)


def unit_of(axis):
    return {"size": "doubling of the weights (embeddings not counted)", "tokens": "doubling of the pretraining tokens",
            "variety": "doubling of the domains read"}.get(axis, f"doubling of {axis}")


def is_pretrained(results):
    """Where the amount is above 0; None where every model is untrained, or the file does not say."""
    def make():
        if "pretraining_tokens" not in results.data.variables:
            return None
        trained = results.data["pretraining_tokens"] > 0
        return trained if bool(trained.any()) else None
    return results.once("pretrained", make)


def pretrained_only(results, array):
    """The array without amount 0, which is a control of its own and never a point on a slope."""
    trained = is_pretrained(results)
    return array if trained is None or not set(trained.dims) <= set(array.dims) else array.where(trained)


# ---- places of a sequence ----

def of_first_task(data, variable, like):
    """A variable after the first task, laid along the pairs of `like`: [task] becomes [pair] by pair_first."""
    array = data[variable]
    if "task" in array.dims and "pair_first" in data.coords:
        known = [str(name) for name in data["task"].values]
        order = [known.index(str(name)) for name in data["pair_first"].values]
        array = array.isel(task=xarray.DataArray(order, dims=data["pair_first"].dims)).drop_vars("task", errors="ignore")
    return array if set(array.dims) <= set(like.dims) | {"point"} else None


def failed_runs(results, like):
    """True where a task of the cell's sequence was not learnt better than its majority class (Mosbach et al. 2021)."""
    def make():
        data, failed = results.data, xarray.zeros_like(like, dtype=bool)
        for word in PLACES:
            name = f"{word}_failed_run"
            array = None if name not in data else of_first_task(data, name, like) if word == "first" else data[name]
            if array is not None and set(array.dims) <= set(like.dims):
                failed = failed | (array == 1)
        return failed.transpose(*like.dims)
    return results.once(("failed", like.dims), make)


def status_of(data, array):
    """Status of the cells of an outcome; all done where the data do not say (in memory)."""
    status = data.get("status_outcome")
    if status is None or set(status.dims) != set(array.dims):
        return xarray.full_like(array, DONE, dtype="int8")
    return status.transpose(*array.dims)


def count(results, reading, pretrained=True):
    """How many cells the sweep asks for (pretrained: of models that were, the only ones slopes are taken on), and what became
    of them: used, missing (nothing learnt, or left out by the reading), broken (stages that failed), waiting (not in yet),
    failed (a task not learnt better than its majority class)."""
    array = reading.array
    present, status, failed = array.notnull().values, status_of(results.data, array).values, failed_runs(results, array).values
    asked, done, trained = status != EXCLUDED, status == DONE, is_pretrained(results)
    if pretrained and trained is not None and set(trained.dims) <= set(array.dims):
        asked = asked & results.once(("trained", array.dims), lambda: trained.broadcast_like(array).transpose(*array.dims).values)
    return {"cells": int(asked.sum()), "used": int((present & asked).sum()), "missing": int((asked & done & ~present).sum()),
            "broken": int((asked & (status > DONE)).sum()), "waiting": int((asked & (status < DONE)).sum()),
            "failed": int((failed & done & asked).sum())}


# ---- readings ----

def plain(results, outcome):
    """The outcome as stored, of stages that are done."""
    def make():
        array = results.data[outcome].load()
        return array.where(status_of(results.data, array) == DONE)
    return results.once(("plain", outcome), make)


def reading_word(outcome):
    """Of an outcome taken as it is stored."""
    return "" if outcome.endswith("equal_success") else f" {PLAIN}"


def without_axis(results, outcome):
    """The readings that are the same whatever axis a claim is about, the plain one first."""
    data, array = results.data, plain(results, outcome)
    failed = failed_runs(results, array)
    found = [Reading(EQUAL if outcome.endswith("equal_success") else PLAIN, array)]
    if bool((failed & array.notnull()).any()):
        found.append(Reading(SOUND, array.where(~failed)))
    if outcome in NORMALISED:
        unlearnt = (status_of(data, array) == DONE) & array.isnull()
        if bool(unlearnt.any()):
            found += [Reading(AS_KEPT, array.where(~unlearnt, 0.0), bound=True),
                      Reading(AS_LOST, array.where(~unlearnt, 1.0), bound=True)]
    return found + [reading for reading in (at_best_rate(results, array), at_matched_displacement(results, array))
                    if reading is not None]


def readings(results, outcome, axis, wanted=""):
    """Every reading this file allows of an outcome; the first is the one that a verdict is passed on: at equal success on B
    where the frontier was measured and the claim does not want same_training, else after the same training on B."""
    found = results.once(("readings", outcome), lambda: without_axis(results, outcome))
    equal = [at_stored_success(results, outcome), at_common_success(results, outcome, axis)]
    equal = [reading for reading in equal if reading is not None]
    return found + equal if wanted == "same_training" else equal + found


def at_stored_success(results, outcome):
    """The program's own outcome at the success on B that the sweep file names; None where it was not measured."""
    name = STORED_EQUAL.get(outcome)
    if name not in results.data or not bool(results.data[name].notnull().any()):
        return None
    level = results.setting("frontier.success")
    return Reading(EQUAL, plain(results, name),
                   note="A is read when B has come to the success that the sweep file names"
                        + (f" (frontier.success {level} of the way from chance to 1)" if level else "")
                        + "; missing where B never does, or A was not learnt")


def rate_dimensions(data):
    """Axes that are a learning rate of fine-tuning."""
    return [str(name) for name in data.dims if "learning_rate" in str(name) and "finetune" in str(name)]


def at_best_rate(results, array):
    """At each grid point the rate at which the other seeds learn B best; None without an axis of rates.

    The seed itself has no say in the choice, so that its luck on B is not chosen together with its forgetting.  Grid points
    at which only one rate was run are left out.
    """
    data, rates = results.data, rate_dimensions(results.data)
    if len(rates) != 1 or "second_accuracy_second" not in data or rates[0] not in array.dims or "seed" not in array.dims:
        return None
    rate = rates[0]
    success = data["second_accuracy_second"].transpose(*array.dims)
    inner = [name for name in ("pair",) if name in success.dims]
    level = success.mean(inner) if inner else success
    total, counted = level.fillna(0).sum("seed"), level.notnull().sum("seed")
    others = (total - level.fillna(0)) / (counted - level.notnull()).where(counted > level.notnull())
    several = (others.notnull().sum(rate) > 1)
    chosen = others.fillna(-1).argmax(rate)
    picked = array.isel({rate: chosen}).where(several)
    return Reading(BEST, picked.drop_vars(rate, errors="ignore"),
                   note=f"{rate} chosen for each seed by how well the other seeds learn B; the file keeps no development "
                        "scores, so by test scores of those others")


def at_matched_displacement(results, array):
    """Between the rates, where the weights have moved equally far from the pretrained ones; None without an axis of rates.

    The distance is the mean over layers, the same for all grid points: its median over the sweep.  Between two rates the
    outcome is linear in the logarithm of the distance; points whose rates do not lie on both sides of it are left out.
    """
    data, rates = results.data, rate_dimensions(results.data)
    if len(rates) != 1 or "second_displacement" not in data or rates[0] not in array.dims:
        return None
    moved = data["second_displacement"]
    moved = moved.mean([name for name in moved.dims if name not in array.dims]).broadcast_like(array).transpose(*array.dims)
    moved = numpy.log(moved.where(array.notnull() & (moved > 0)))
    target = float(moved.median())
    if not numpy.isfinite(target):
        return None
    read = xarray.apply_ufunc(between, moved, array, input_core_dims=[rates, rates], vectorize=True, kwargs={"at": target})
    return Reading(MATCHED, read, note=f"between the values of {rates[0]}, where the weights are {numpy.exp(target):.2f} of their "
                                       "length away from the pretrained ones")


def between(x, y, at):
    """y at x = `at`, linear between the points of a curve in any order; NaN outside of them."""
    there = numpy.flatnonzero(numpy.isfinite(x) & numpy.isfinite(y))
    if len(there) < 2:
        return numpy.nan
    order = there[numpy.argsort(x[there])]
    return numpy.interp(at, x[order], y[order], left=numpy.nan, right=numpy.nan)


def frontier_names(data):
    """Names of the accuracies of A and of B along B's training, and their dimension; None without the instrument."""
    first, second = "second_frontier_accuracy_first", "second_frontier_accuracy_second"
    if first not in data or second not in data:
        return None
    extra = [name for name in data[second].dims if name not in data["forgetting"].dims]
    return (first, second, extra[0]) if len(extra) == 1 else None


def task_numbers(data, results, word):
    """Chance and the accuracy that counts as learnt, of the task at a place: two DataArrays along the pairs."""
    coordinate = data[f"pair_{word}"]
    tasks = [results.tasks[str(name)] for name in coordinate.values]
    return (xarray.DataArray([task.chance for task in tasks], dims=coordinate.dims),
            xarray.DataArray([task.learnt_above() for task in tasks], dims=coordinate.dims))


def at_common_success(results, outcome, axis):
    """A read off when B has come equally far: for each seed, and with everything but the claim's axis held, at the best
    score on B that all models along the axis reach (Ramasesh et al. 2022, frontier).  None without the frontier.

    Models that failed on B have no part in that; where the common score is not better than chance, nothing is compared.
    """
    data, names = results.data, None
    if outcome in ("forgetting", "forgetting_drop") and "forgetting" in data and "pair_second" in data.coords:
        names = frontier_names(data)
    dimension = dimension_of(data, axis)
    if names is None or dimension is None:
        return None
    array = plain(results, outcome)
    a, b = (data[name].transpose(*array.dims, names[2]) for name in names[:2])
    a_first = of_first_task(data, "first_accuracy", array)
    chance_b, learnt_b = task_numbers(data, results, "second")
    usable = array.notnull() & ~failed_runs(results, array)
    trained = is_pretrained(results)
    if trained is not None:  # the untrained control must not set the mark for the others
        usable = usable & trained
    reached = b.max(names[2]).where(usable)
    target = reached.min(dimension)
    target = target.where(target > learnt_b).broadcast_like(array).transpose(*array.dims)
    start = [part.broadcast_like(array).transpose(*array.dims).values for part in (a_first, chance_b)]
    at = crossing(a.values, b.values, *start, target.values)
    kept = array.copy(data=at).where(usable)
    chance_a, _ = task_numbers(data, results, "first")
    drop = a_first - kept
    read = drop if outcome == "forgetting_drop" else drop / (a_first - chance_a)
    return Reading(COMMON, read.transpose(*array.dims),
                   note="A is read when B first comes to the best score that every model compared reaches")


def crossing(a, b, a_start, b_start, target):
    """A's score when B's first reaches `target`, linear between measured points; NaN where it never does.

    a, b: [..., point]; a_start, b_start (before B's training), target: [...].
    """
    a = numpy.concatenate([a_start[..., None], a], axis=-1)
    b = numpy.concatenate([b_start[..., None], b], axis=-1)
    above = b >= target[..., None]
    reached = above.any(axis=-1)
    after = numpy.maximum(above.argmax(axis=-1), 1)[..., None]
    (a0, a1), (b0, b1) = ((numpy.take_along_axis(v, after - 1, -1)[..., 0], numpy.take_along_axis(v, after, -1)[..., 0])
                          for v in (a, b))
    with numpy.errstate(invalid="ignore", divide="ignore"):
        share = numpy.where(b1 > b0, (target - b0) / (b1 - b0), 1.0)
    return numpy.where(reached & numpy.isfinite(target), a0 + numpy.clip(share, 0, 1) * (a1 - a0), numpy.nan)

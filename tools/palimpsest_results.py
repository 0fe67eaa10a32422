"""Results files in a notebook: a small module over xarray.

    import sys; sys.path.append("tools")
    import palimpsest_results
    results = palimpsest_results.open("build/quickstart.h5")
    answer = palimpsest_results.forgetting(results, by=["size", "tokens"])
    answer.forgetting.plot.line(x="tokens", hue="size", marker="o")

`open` gives an ordinary xarray.Dataset; everything xarray can do with it stays possible.  The other functions give the mean
over seeds with its interval: the unit is the seed, one mean per seed over whatever is not asked for, then Student's t over
the seeds (the formula of `palimpsest summary`).  Missing values (nothing learnt, nothing to forget; stages that failed or
are not in yet) are left out and counted.
"""
import builtins
import os

import h5py
import numpy
import xarray
from scipy import stats

FORMAT_NAME = "palimpsest results"
FORMAT_VERSION = 2  # the newest this module knows
PLACES = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
SIGNATURE = b"\x89HDF\r\n\x1a\n"


class ResultsError(Exception):
    """A file that cannot be used; its text is one sentence that says why and what to do."""


def check(path):
    """Raises ResultsError where `path` is not a whole results file that this module can read."""
    if not os.path.exists(path):
        raise ResultsError(f"{path}: there is no such file")
    if os.path.isdir(path):
        raise ResultsError(f"{path}: is a folder; name the results file (.h5) that `palimpsest run -o` wrote")
    try:
        with builtins.open(path, "rb") as file:
            signed = file.read(len(SIGNATURE)) == SIGNATURE
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    if not signed:
        raise ResultsError(f"{path}: is not a results file of palimpsest (it is not even HDF5)")
    try:
        with h5py.File(path, "r") as file:
            form, version = file.attrs.get("format"), file.attrs.get("format_version")
    except (OSError, RuntimeError, KeyError) as error:
        raise ResultsError(f"{path}: {damage(error)}") from error
    if (form.decode() if isinstance(form, bytes) else form) != FORMAT_NAME:
        raise ResultsError(f"{path}: is HDF5, but not a results file of palimpsest (no attribute format = {FORMAT_NAME!r})")
    if version is None or int(numpy.ravel(version)[0]) > FORMAT_VERSION:
        raise ResultsError(f"{path}: has format version {version}, newer than the {FORMAT_VERSION} these tools know; "
                           "take the tools of the palimpsest that wrote it")


def damage(error):
    """What an error of HDF5 says about a file that begins like one."""
    said = str(error)
    if "truncated" in said or "eof" in said:
        return "is cut short: a part of it is missing at its end; copy it again"
    return f"is damaged and cannot be read as HDF5 ({said.splitlines()[0][:160]}); `palimpsest verify` says what is lost"


def open(path):  # the module's name makes it palimpsest_results.open
    """The results as an xarray.Dataset, read as they are needed; also of a sweep that is still running.

    Dimensions are the axes of the sweep by name (size, tokens, variety, pair, seed, ...), beside task, domain, layer and
    point.  Every variable says its units, meaning, formula and source in its attributes.
    """
    check(path)
    try:
        return xarray.open_dataset(path, engine="h5netcdf")
    except (OSError, RuntimeError, KeyError) as error:
        raise ResultsError(f"{path}: {damage(error)}") from error


def student_quantile(probability, degrees):
    """Inverse of Student's t distribution function, as in the program.  scipy 1.10 is right to 9 digits only, so a step of
    Newton's method follows; numbers or arrays, NaN stays NaN."""
    guess = stats.t.ppf(probability, degrees)
    return guess - (stats.t.cdf(guess, degrees) - probability) / stats.t.pdf(guess, degrees)


def over_seeds(array, by, level=0.95):
    """Mean over seeds of the per-seed means of an array, with its t interval.

    array: DataArray with any dimensions; by: those to keep (names; ones it does not have are left out).
    Returns a Dataset over `by` with
      mean, low, high   in the array's units; low and high are NaN under two seeds
      seeds             how many seeds are behind the interval
      values, missing   how many numbers are behind the mean, and how many places had none
    """
    if not 0 < level < 1:
        raise ResultsError(f"level={level}: a level of confidence lies between 0 and 1, such as 0.95")
    by = [name for name in ([by] if isinstance(by, str) else by) if name in array.dims]
    rest = [name for name in array.dims if name not in by]
    inner = [name for name in rest if name != "seed"]
    per_seed = array.mean(inner) if inner else array
    if "seed" not in per_seed.dims:
        per_seed = per_seed.expand_dims("seed")
    seeds = per_seed.notnull().sum("seed")
    mean, degrees = per_seed.mean("seed"), (seeds - 1).where(seeds > 1)
    variance = ((per_seed - mean)**2).sum("seed") / degrees
    half = student_quantile(0.5 + level / 2, degrees) * numpy.sqrt(variance / seeds)
    values = array.notnull().sum(rest)
    places = int(numpy.prod([array.sizes[name] for name in rest])) if rest else 1
    return xarray.Dataset({"mean": mean, "low": mean - half, "high": mean + half, "seeds": seeds, "values": values,
                           "missing": places - values}, attrs={"level": level, "method": "t interval over seeds"})


def named(results, name):
    """A variable of the file; ResultsError names what is there when it is not."""
    if name not in results:
        raise ResultsError(f"the results hold no {name}; they hold {', '.join(sorted(map(str, results.data_vars)))}")
    return results[name]


def axes_of(results, by):
    """The dimensions asked for, by default size, tokens and variety as far as there are; ResultsError where the file has
    no such dimension: a mistyped name would give the mean over it."""
    if by is None:
        return [name for name in ("size", "tokens", "variety") if name in results.dims]
    by = [by] if isinstance(by, str) else list(by)
    unknown = [name for name in by if name not in results.dims]
    if unknown:
        raise ResultsError(f"the results have no dimension {', '.join(map(str, unknown))}; they have "
                           f"{', '.join(map(str, results.dims))}")
    return by


def forgetting(results, by=None, outcome="forgetting", level=0.95):
    """Share of what was learnt of earlier tasks, above chance, that is gone after the last one: 0 none, 1 all.

    by: dimensions to keep, by default size, tokens and variety as far as the sweep has them.  outcome: another measure by
    its name in the file (forgetting_drop, forgetting_loss_rise, ...).  Returns a Dataset over `by` as `over_seeds` does,
    whose mean is named after the outcome.
    """
    array = named(results, outcome)
    answer = over_seeds(array, axes_of(results, by), level).rename(mean=outcome)
    answer[outcome].attrs = dict(array.attrs)
    return answer


def last_place(results):
    """The word of the last task of a sequence that the file knows: "second" where all sequences are pairs."""
    there = [word for word in PLACES if f"{word}_lm_rise" in results]
    if len(there) < 2:
        raise ResultsError("the sweep has no second task: there is nothing to forget")
    return there[-1]


def lm_retention(results, by=None, place=None, level=0.95):
    """What fine-tuning did to language modelling: `rise` of the loss since pretraining (nats per token, mean over the
    reference domains) with low and high, and `progress_lost`, the share of pretraining's progress (1) that is gone,
    missing at amount 0.  After the task at `place` ("first", "second", ...), by default the last.  Dimensions as in
    `forgetting`.
    """
    word = place or last_place(results)
    by = axes_of(results, by)
    answer = over_seeds(named(results, f"{word}_lm_rise"), by, level).rename(mean="rise")
    answer["rise"].attrs = dict(results[f"{word}_lm_rise"].attrs)
    lost = named(results, f"{word}_lm_progress_lost")
    answer["progress_lost"] = over_seeds(lost, by, level)["mean"].assign_attrs(lost.attrs)
    return answer


def transfer_matrix(results, outcome="forgetting", level=0.95):
    """A measure of ordered pairs as a matrix [first, second] of tasks: which second task does what to which first.

    outcome: any variable along `pair` (forgetting, transfer, second_accuracy_second, ...).  Returns a Dataset over first and
    second with mean, low, high, seeds, values, missing; pairs the sweep does not hold are missing.
    """
    array = named(results, outcome)
    if "pair" not in array.dims or "pair_second" not in results.coords:
        raise ResultsError(f"{outcome} has no dimension pair, so there is no matrix of it")
    longer = [f"pair_{word}" for word in PLACES[2:] if f"pair_{word}" in results.coords]
    if any((results[name].values != "").any() for name in longer):
        raise ResultsError("some sequences have three tasks or more: they have no place in a matrix of pairs")
    each = over_seeds(array, ["pair"], level)
    first, second = (numpy.asarray(results[f"pair_{word}"].values, dtype=object) for word in PLACES[:2])
    tasks = list(dict.fromkeys([*first, *second]))
    shape = (len(tasks), len(tasks))
    matrix = {name: numpy.full(shape, numpy.nan) for name in each.data_vars}
    for place, (a, b) in enumerate(zip(first, second)):
        for name in each.data_vars:
            matrix[name][tasks.index(a), tasks.index(b)] = each[name].values[place]
    return xarray.Dataset({name: (("first", "second"), values) for name, values in matrix.items()},
                          coords={"first": tasks, "second": tasks}, attrs=each.attrs)

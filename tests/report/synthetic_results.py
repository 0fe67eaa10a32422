"""Results whose truth is known: the layout of a results file, in memory or written to HDF5, with planted effects."""

import math

import h5py
import numpy
import xarray

from palimpsest_report.results_file import Claim, Results, Task

CHANCE, ITEMS, LEARNT = 0.5, 400, 0.85
TASKS = ["tense", "bigram_shift", "object_number"]
PAIRS = [("tense", "bigram_shift"), ("bigram_shift", "object_number")]
SIZES = {"nano": 4e3, "micro": 16e3, "mini": 64e3, "midi": 256e3}
AMOUNTS = [0, 65536, 262144, 1048576, 4194304]
VARIETIES = [1, 4, 16]
CLAIMS = [Claim("larger_forgets_less", "size", "forgetting", "slope_per_doubling", "down"),
          Claim("longer_forgets_less", "tokens", "forgetting", "slope_per_doubling", "down"),
          Claim("more_varied_forgets_less", "variety", "forgetting", "slope_per_doubling", "down"),
          Claim("lm_loss_is_enough", "all", "forgetting", "residual_given_lm_loss", "none")]
SLOPES = CLAIMS[:3]


def centred(values):
    logs = numpy.log2(values)
    return logs - logs.mean()


class Grid:
    """Axes of a synthetic sweep and log2 of each, centred, broadcastable to [size, tokens, variety, pair, seed]."""

    def __init__(self, seeds=5, sizes=None, amounts=None, varieties=None, pairs=None):
        self.sizes, self.amounts = dict(sizes or SIZES), list(amounts or AMOUNTS)
        self.varieties, self.pairs, self.seeds = list(varieties or VARIETIES), list(pairs or PAIRS), seeds
        self.shape = (len(self.sizes), len(self.amounts), len(self.varieties), len(self.pairs), seeds)
        above = numpy.array([amount for amount in self.amounts if amount > 0], dtype=float)
        tokens = numpy.zeros(len(self.amounts))
        tokens[len(self.amounts) - len(above):] = centred(above)
        self.size = centred(list(self.sizes.values()))[:, None, None, None, None]
        self.tokens = tokens[None, :, None, None, None]
        self.variety = centred(self.varieties)[None, None, :, None, None]


def lm_loss_of(grid, random, noise=0.01):
    """[size, tokens, variety, seed]: a power law in size and tokens; the untrained know nothing."""
    loss = 2 + 0.9 * 2.0**(-0.25 * (grid.size[..., 0, :] + 3)) + 1.5 * 2.0**(-0.3 * (grid.tokens[..., 0, :] + 3))
    loss = loss + 0 * grid.variety[..., 0, :] + noise * random.standard_normal((*grid.shape[:3], grid.shape[4]))
    loss[:, [amount == 0 for amount in grid.amounts]] = 6.0
    return loss


def sweep(number=0, grid=None, size=0.0, tokens=0.0, variety=0.0, product=0.0, curve=0.0, of_loss=None, mean=0.5, noise=0.04,
          spread=0.01, shift=0.03, missing=0.05, claims=None, skewed=False, untrained=0.8):
    """A finished sweep with planted effects on forgetting.

    size, tokens, variety: slopes per doubling; product: of size times tokens; curve: of tokens squared; of_loss: a function
    of the language-modelling loss to use in their place.  noise: between cells; spread: of each seed's own slopes; shift: of
    each seed's level; missing: share of cells whose first task was not learnt; untrained: forgetting at amount 0.
    """
    grid, random = grid or Grid(), numpy.random.default_rng([7, number])
    draw = lambda: (random.gamma(3, size=grid.seeds) - 3) / 3**0.5 if skewed else random.standard_normal(grid.seeds)
    loss = lm_loss_of(grid, random)
    if of_loss is not None:
        level = of_loss(loss)[..., None, :] + numpy.zeros(grid.shape)
    else:
        level = (mean + (size + spread * draw()) * grid.size + (tokens + spread * draw()) * grid.tokens
                 + (variety + spread * draw()) * grid.variety + product * grid.size * grid.tokens + curve * grid.tokens**2)
    level = level + shift * draw() + 0.02 * numpy.arange(len(grid.pairs))[:, None]
    level = level + noise * random.standard_normal(grid.shape)
    zero = numpy.array([amount == 0 for amount in grid.amounts])
    level[:, zero] = untrained + noise * random.standard_normal(level[:, zero].shape)
    learnt = random.random(grid.shape) >= missing
    return results_of(grid, level, loss, learnt, claims if claims is not None else CLAIMS, number)


def results_of(grid, level, loss, learnt, claims, number):
    """Results in memory of forgetting [size, tokens, variety, pair, seed] and loss [size, tokens, variety, seed]."""
    cells = ("size", "tokens", "variety", "pair", "seed")
    drop = level * (LEARNT - CHANCE)
    first = numpy.full((*grid.shape[:3], len(TASKS), grid.seeds), LEARNT)
    domains = ["domain_00", "domain_01"]
    tokens = numpy.array(grid.amounts, dtype=float)
    weights = numpy.array(list(grid.sizes.values()))
    data = xarray.Dataset(
        {"forgetting": (cells, numpy.where(learnt, level, numpy.nan), {"units": "1", "long_name": "share forgotten"}),
         "forgetting_drop": (cells, drop, {"units": "1"}),
         "forgetting_loss_rise": (cells, 3 * drop, {"units": "nats"}),
         "first_accuracy": ((*cells[:3], "task", "seed"), first, {"units": "1"}),
         "first_failed_run": ((*cells[:3], "task", "seed"), numpy.zeros(first.shape), {"units": "1"}),
         "second_failed_run": (cells, numpy.zeros(grid.shape), {"units": "1"}),
         "second_accuracy_first": (cells, LEARNT - drop, {"units": "1"}),
         "second_accuracy_second": (cells, numpy.full(grid.shape, 0.8), {"units": "1"}),
         "first_lm_rise": ((*cells[:3], "task", "seed"), numpy.full(first.shape, 0.3), {"units": "nats per token"}),
         "second_lm_rise": (cells, numpy.full(grid.shape, 0.5), {"units": "nats per token"}),
         "second_lm_progress_lost": (cells, numpy.full(grid.shape, 0.2), {"units": "1"}),
         "pretrained_lm_loss": ((*cells[:3], "seed", "domain"), numpy.repeat(loss[..., None], 2, axis=-1),
                                {"units": "nats per token"}),
         "status_outcome": (cells, numpy.full(grid.shape, 2, dtype="int8"))},
        coords={"size": list(grid.sizes), "tokens": grid.amounts, "variety": grid.varieties,
                "pair": [">".join(pair) for pair in grid.pairs], "seed": numpy.arange(1, grid.seeds + 1),
                "pair_first": ("pair", [pair[0] for pair in grid.pairs]),
                "pair_second": ("pair", [pair[1] for pair in grid.pairs]), "task": TASKS, "domain": domains,
                "parameters": ("size", weights * 2), "parameters_non_embedding": ("size", weights),
                "pretraining_tokens": (("size", "tokens"), numpy.repeat(tokens[None], len(weights), axis=0))},
        attrs={"format": "palimpsest results", "format_version": 2, "title": f"planted {number}"})
    return Results(data, list(claims), {task: Task(2, ITEMS) for task in TASKS}, name=f"planted_{number}",
                   statuses={"done": 10}, identity=identity())


def identity(word="0"):
    return {"tasks": {task: f"{word}{task}" for task in TASKS}, "domains": {"domain_00": word, "domain_01": word}}


# ---- as a file ----

CERTIFICATE = [("ranks", "i4"), *[(name, "f8") for name in ("makespan", "work", "critical_path", "lower_bound", "idle_parent",
               "idle_tail", "idle_io", "idle_drain")], ("steps_executed", "i8"), ("steps_tree", "i8"),
               *[(name, "f8") for name in ("flops_per_cell_alone", "flops_one_pretraining_each", "flops_tree")],
               *[(name, "i4") for name in ("stages_done", "stages_failed", "stages_skipped")],
               *[(f"{name}_seconds", "f8") for name in ("training", "data", "measuring", "reading", "saving", "rows")]]


def write(results, path, marks=(2,) * 10, reason=b"", word="0"):
    """The results as a file with the layout of the program's own; marks: status of each stage."""
    results.data.to_netcdf(path, engine="h5netcdf")
    with h5py.File(path, "r+") as file:
        file["sweep/name"], file["sweep/yaml"] = results.name, "name: planted\n"
        file["sweep/explained"] = f"name   {results.name}\nevaluate.items   {ITEMS} (items)\nfinetune.steps   200 (steps)\n"
        for key in ("program_version", "compiler", "numerics_class", "hash"):
            file[f"sweep/{key}"] = "of a test"
        file["sweep/numerics_version"] = numpy.array([2], dtype="i4")
        for key in ("name", "axis", "outcome", "statistic", "direction", "reading"):
            file[f"sweep/claims/{key}"] = [getattr(claim, key) for claim in results.claims]
        for key in ("alpha", "equivalence", "minimum_seeds"):
            file[f"sweep/claims/{key}"] = [getattr(claim, key) for claim in results.claims]
        file["sweep/tasks/name"], file["sweep/tasks/classes"] = TASKS, numpy.full(len(TASKS), 2)
        file["sweep/tasks/test_items"] = numpy.full(len(TASKS), 2000)
        file["sweep/tasks/test"] = list(identity(word)["tasks"].values())
        file["sweep/domains/name"] = list(identity(word)["domains"])
        file["sweep/domains/reference"] = list(identity(word)["domains"].values())
        write_run(file, marks, reason)


def write_run(file, marks, reason):
    rows = numpy.zeros(len(marks), dtype=[("seconds", "f8"), ("reason", "S256")])
    rows["seconds"], rows["reason"] = 1.5, [reason if mark in (3, 4) else b"" for mark in marks]
    certificate = numpy.zeros(3, dtype=CERTIFICATE)
    certificate[0] = (2, 160.0, 300.0, 20.0, 150.0, 1.0, 2.0, 3.0, 0.5, 1000, 1000, 7e13, 3e13, 2.5e13, len(marks), 0, 0,
                      250, 5, 30, 1, 2, 3)
    table = numpy.zeros((len(marks), 4), dtype="u8")
    table[:, 0] = marks
    file["stages/mark"], file["stages/kind"] = table, numpy.full(len(marks), 3)
    file["stages/kind_names"] = ["initial", "trunk", "cooldown", "fine-tuning", "branch"]
    file["provenance/stage"], file["provenance/certificate"] = rows, certificate
    file["provenance/libraries"], file["provenance/created_on"] = "HDF5", "a machine"


def with_frontier(results, reach, decay, noise=0.0, points=8):
    """Adds a frontier: B rises from chance to reach [cells], A falls as `decay` [cells] times what B has gained."""
    data = results.data
    share = numpy.linspace(1 / points, 1, points)
    gained = (reach - CHANCE)[..., None] * share
    random = numpy.random.default_rng(11)
    b = CHANCE + gained + noise * random.standard_normal(gained.shape)
    a = LEARNT - decay[..., None] * gained + noise * random.standard_normal(gained.shape)
    dims = (*data["forgetting"].dims, "frontier_point")
    data["second_frontier_accuracy_first"], data["second_frontier_accuracy_second"] = (dims, a), (dims, b)
    last = (LEARNT - a[..., -1]) / (LEARNT - CHANCE)
    data["forgetting"] = data["forgetting"].copy(data=last)
    data["second_accuracy_second"] = data["second_accuracy_second"].copy(data=b[..., -1])
    data["forgetting_drop"] = data["forgetting_drop"].copy(data=LEARNT - a[..., -1])
    data["forgetting_loss_rise"] = data["forgetting_loss_rise"].copy(data=3 * (LEARNT - a[..., -1]))
    return results


def slope_truth(grid, curve):
    """Slope of curve x tokens^2 on tokens by least squares: 0 for amounts that lie evenly, whose centre is 0."""
    places = grid.tokens.ravel()[[amount > 0 for amount in grid.amounts]]
    return curve * float((places**3).sum() / (places**2).sum()) if math.isfinite(curve) else math.nan

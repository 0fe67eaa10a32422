"""What the report knows of a sweep: its variables, its claims, its tasks, how far it is, what it cost."""
import re
from dataclasses import dataclass, field

import h5py
import numpy
import xarray

import palimpsest_results
from palimpsest_results import ResultsError

STATUSES = ["pending", "running", "done", "diverged", "failed", "skipped", "excluded"]  # enum stage_status
DONE, EXCLUDED = STATUSES.index("done"), STATUSES.index("excluded")


@dataclass(frozen=True)
class Claim:
    """A decision rule as it stood in the sweep file (/sweep/claims; sweeps/README.md, section claims)."""
    name: str
    axis: str
    outcome: str
    statistic: str      # slope_per_doubling, last_minus_first, residual_given_lm_loss
    direction: str      # down, up, none
    reading: str = ""   # equal_success, same_training; empty in files that do not say: equal success where it was measured
    alpha: float = 0.05
    equivalence: float = 0.02  # in units of the outcome, per doubling for slopes
    minimum_seeds: int = 5


@dataclass(frozen=True)
class Task:
    classes: int
    items: int  # of its test set that are scored

    @property
    def chance(self):
        return 1 / self.classes

    def learnt_above(self):
        """Accuracy from which the program calls a task learnt: three standard errors above chance (task_learnt in C)."""
        return self.chance + 3 * (self.chance * (1 - self.chance) / self.items) ** 0.5


@dataclass
class Results:
    """One sweep.  data: as palimpsest_results.open gives it, or the same layout in memory."""
    data: xarray.Dataset
    claims: list
    tasks: dict                                      # by name: Task
    name: str = "sweep"
    path: str = ""
    statuses: dict = field(default_factory=dict)     # stages by status word
    settings: list = field(default_factory=list)     # lines of `plan --explain`
    facts: dict = field(default_factory=dict)        # program, compiler, numerics, ...
    certificates: list = field(default_factory=list)  # one dict per start of the program
    stage_seconds: dict = field(default_factory=dict)  # seconds by kind of stage
    reasons: dict = field(default_factory=dict)      # why stages failed: text to count
    identity: dict = field(default_factory=dict)     # hashes of what results are measured on
    made: dict = field(default_factory=dict, repr=False)  # see `once`

    def once(self, key, make):
        """make(), computed when it is first asked for under this key and kept."""
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def has(self, *names):
        return all(name in self.data for name in names)

    def names_like(self, pattern):
        """Variables whose whole name matches the regular expression, in the order of the file."""
        return [str(name) for name in self.data.data_vars if re.fullmatch(pattern, str(name))]

    def setting(self, key):
        """The resolved value of a setting, as text; None where the file does not say."""
        for line in self.settings:
            words = line.split()
            if words and words[0] == key and not line.startswith(" "):
                return " ".join(words[1:])
        return None


def text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def texts(dataset):
    return [text(value) for value in numpy.ravel(dataset[()])]


def count_of(words):
    """The number a count of the sweep file stands for: 400, 1Ki, 2M."""
    match = re.match(r"([0-9.]+)(k|M|G|Ki|Mi|Gi)?\b", words or "")
    if not match:
        return None
    unit = {None: 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[match.group(2)]
    return int(float(match.group(1)) * unit)


def read_claims(group):
    columns = {name: numpy.ravel(group[name][()]) for name in group}
    rows = len(columns.get("name", []))
    claims = []
    for row in range(rows):
        words = {name: text(columns[name][row])
                 for name in ("name", "axis", "outcome", "statistic", "direction", "reading") if name in columns}
        claims.append(Claim(**words, alpha=float(columns["alpha"][row]), equivalence=float(columns["equivalence"][row]),
                            minimum_seeds=int(columns["minimum_seeds"][row])))
    return claims


def read_tasks(group, asked):
    items = [min(int(test), asked or int(test)) for test in numpy.ravel(group["test_items"][()])]
    return {name: Task(int(classes), count)
            for name, classes, count in zip(texts(group["name"]), numpy.ravel(group["classes"][()]), items)}


def read_certificates(file):
    rows = file["provenance/certificate"][()]
    return [{name: row[name].item() for name in row.dtype.names} for row in rows if row["ranks"] > 0]


def read_stages(file):
    """Statuses, seconds by kind of stage, reasons of failures: three dicts."""
    marks = file["stages/mark"][()][:, 0]
    words, counts = numpy.unique(marks, return_counts=True)
    statuses = {STATUSES[word] if word < len(STATUSES) else "damaged": int(count) for word, count in zip(words, counts)}
    kinds, names = file["stages/kind"][()], texts(file["stages/kind_names"])
    rows = file["provenance/stage"][()]
    seconds = {name: float(rows["seconds"][kinds == kind].sum()) for kind, name in enumerate(names)}
    reasons = {}
    for reason in rows["reason"]:
        if reason:
            reasons[text(reason)] = reasons.get(text(reason), 0) + 1
    return statuses, {name: value for name, value in seconds.items() if value > 0}, reasons


def read_identity(file):
    """What numbers of two sweeps must share to be laid side by side: test sets, reference windows, instruments' version."""
    tasks, domains = file["sweep/tasks"], file["sweep/domains"]
    return {"tasks": dict(zip(texts(tasks["name"]), texts(tasks["test"]))),
            "domains": dict(zip(texts(domains["name"]), texts(domains["reference"])))}


def read_facts(file):
    facts = {key: text(numpy.ravel(file[f"sweep/{key}"][()])[0])
             for key in ("program_version", "compiler", "numerics_class", "numerics_version", "hash")}
    facts.update(libraries=text(file["provenance/libraries"][()]), created_on=text(file["provenance/created_on"][()]))
    return facts


def load(path):
    """The Results of a file; ResultsError where it is none of ours, is damaged, or holds no outcome at all."""
    path = str(path)
    palimpsest_results.check(path)
    try:
        with h5py.File(path, "r") as file:
            settings = text(file["sweep/explained"][()]).splitlines()
            results = Results(palimpsest_results.open(path), read_claims(file["sweep/claims"]), {}, path=path,
                              name=text(file["sweep/name"][()]), settings=settings)
            results.tasks = read_tasks(file["sweep/tasks"], count_of(results.setting("evaluate.items")))
            results.facts, results.identity = read_facts(file), read_identity(file)
            results.certificates = read_certificates(file)
            results.statuses, results.stage_seconds, results.reasons = read_stages(file)
    except (OSError, RuntimeError, KeyError) as error:
        raise ResultsError(f"{path}: {palimpsest_results.damage(error)}") from error
    require_outcomes(results)
    return results


def require_outcomes(results):
    """Refuses what no page can be made of: no stage done, no second task, every outcome failed."""
    where = results.path or results.name
    total, done = sum(results.statuses.values()), results.statuses.get("done", 0)
    if total and done == 0 and not failures(results):
        raise ResultsError(f"{where}: nothing is in yet: none of its {total} stages is done; run the sweep first")
    outcomes = [name for name in results.data.data_vars if name in ("forgetting", "forgetting_drop")]
    if not outcomes:
        raise ResultsError(f"{where}: the sweep has no second task: there is nothing to forget, and nothing to report")
    finished = any(bool(results.data[name].notnull().any()) for name in outcomes)
    if finished:
        return
    if failures(results):
        why = max(results.reasons, key=results.reasons.get, default="no reason is kept")
        raise ResultsError(f"{where}: every cell failed, so there is no outcome to report ({failures(results)} of {total} "
                           f"stages failed or were skipped; most often: {why})")
    raise ResultsError(f"{where}: no cell has come to its second task yet ({done} of {total} stages are done); "
                       "come back when some have")


def failures(results):
    return sum(results.statuses.get(word, 0) for word in ("failed", "diverged", "skipped"))

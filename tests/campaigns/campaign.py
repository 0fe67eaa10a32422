"""What the campaigns share: their command line, trials side by side, one run with something done to it, and what a
results file must still hold after that.

A trial is known by the seed of the campaign and its own number, so it can be repeated alone (--only).  Runs are not
played: what lies between the chosen instant and the outcome is decided by the machine, as it is in the field.
"""

import argparse
import atexit
import collections
import concurrent.futures
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"  # we look at files that are being written; before h5py is loaded
try:
    import h5py
    import numpy
except ImportError as missing:
    sys.exit(f"{missing}: run this with the Python that the tests are run with (Debian: /usr/bin/python3, python3-h5py)")

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "end_to_end"))

SECONDS = 60  # that a run may take before it counts as hanging; it should take about two
OUT_OF_ORDER = "interpose: OUT OF ORDER"  # said by interpose.c
AT_WORK = "another run is at work"  # said of the ranks that a killed mpirun leaves behind for a moment


def arguments_of(name, description, **defaults):
    parser = argparse.ArgumentParser(prog=name, description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=defaults.get("trials"), metavar="N",
                        help="how many (default: %(default)s)" if defaults.get("trials") else defaults["trials_help"])
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of all that is chosen (default: %(default)s)")
    parser.add_argument("--build", type=Path, default=ROOT / "build", metavar="FOLDER",
                        help="where tools/build test has built (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="trials at once (default: %(default)s)")
    parser.add_argument("--scratch", type=Path, metavar="DIR",
                        help="where trials are carried out; those that fail stay there (default: a temporary folder)")
    parser.add_argument("--first", type=int, default=0, metavar="K",
                        help="begin with trial K: a campaign of hours in parts (default: %(default)s)")
    parser.add_argument("--until", type=int, metavar="K", help="end before trial K (default: all)")
    if "trials_help" in defaults:
        parser.add_argument("--list", type=Path, metavar="FILE",
                            help="the trials there are, written where it is not there yet and read where it is: for all "
                                 "parts of a campaign, and --only, to mean the same ones")
    parser.add_argument("--only", type=int, metavar="K", help="trial K alone, its folder kept under --scratch")
    return parser.parse_args()


def mpirun_of(build):
    cache = Path(build, "CMakeCache.txt").read_text(encoding="utf-8")
    return re.search(r"^MPIEXEC_EXECUTABLE:[^=]*=(.*)$", cache, re.MULTILINE).group(1)


class Order:
    """What is to happen to one rank at the n-th call of a kind; see interpose.c."""

    def __init__(self, rank, call, file, nth, action):
        self.rank, self.call, self.file, self.nth, self.action = rank, call, file, nth, action

    def __str__(self):
        return f"{self.rank} {self.call} {self.file} {self.nth} {self.action}"


class Ended:
    """A run that ended: its exit status (None: it hung and was ended), all it said, and how long it took.

    alone: it hung, but none of its ranks did: mpirun had outlived them.  A rank that dies while it connects may leave
    the mpirun of Open MPI 4.1 waiting for itself (in PMIx_server_finalize, whatever the program)."""

    def __init__(self, status, said, seconds, landed, alone):
        self.status, self.said, self.seconds, self.landed, self.alone = status, said, seconds, landed, alone

    def __repr__(self):
        return f"exit {self.status} after {self.seconds:.1f} s\n{self.said[-4000:]}"

    def begun(self):
        """Rows of the stage table whose stages this run began, as often as it did."""
        return [int(row) for row in re.findall(r"row (\d+) begins", self.said)]

    def damaged(self):
        """How many rows it found to disagree with their checksums."""
        return sum(int(count) for count in re.findall(r"(\d+) rows disagree", self.said))


class Failure(Exception):
    """A trial that shows a promise broken; `kind` is the name of the count."""

    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind


class Campaign:
    # Trunk and cooldowns, two tasks, joins, kept and dropped checkpoints.
    sweep = {"size": "[nano]", "steps": 16, "items": 48}
    # One of each: a trunk, a cooldown, a first and a second task, a task alone; kept and dropped checkpoints.
    smallest_sweep = {"size": "[nano]", "tokens": "[2Ki]", "variety": "[1]", "pair": "[[tense, subject_number]]",
                      "seed": 1, "steps": 4, "items": 16}

    def __init__(self, name, description, **defaults):
        """defaults: trials=N, or trials_help=TEXT where the number follows from what there is to try; then, without
        --trials, the sweep is the smallest, for all of its calls to be tried."""
        self.name, self.options = name, arguments_of(name, description, **defaults)
        build = self.options.build.absolute()
        self.library = build / "tests" / "campaigns" / "libcampaign_interpose.so"
        for needed in (build / "palimpsest", self.library):
            if not needed.exists():
                sys.exit(f"{name}: {needed} is not there: tools/build test {build}")
        sys.argv[1:] = [str(ROOT), str(build / "palimpsest"), mpirun_of(build)]  # what tiny_sweeps reads
        import tiny_sweeps
        self.tiny = tiny_sweeps
        if not self.options.trials:
            self.sweep = self.smallest_sweep
        self.scratch = self.make_scratch()
        self.calm = self.scratch / "calm"
        self.printing = threading.Lock()
        self.extra = ()
        if "--checkpoint-every" in tiny_sweeps.palimpsest("run", "--help").out:
            self.extra = ("--checkpoint-every", "3ms")

    def make_scratch(self):
        if self.options.scratch:
            scratch = self.options.scratch.absolute() / self.name
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            return scratch
        scratch = Path(tempfile.mkdtemp(prefix=f"palimpsest {self.name} "))
        atexit.register(shutil.rmtree, scratch, ignore_errors=True)
        return scratch

    def say(self, text):
        with self.printing:
            print(f"{self.name}: {text}", flush=True)

    # ---- the sweep ----

    def folder(self, name):
        """A fresh folder with the sweep in it."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "sweep.yaml").write_text(self.tiny.sweep_text(**self.sweep), encoding="utf-8")
        return folder

    def undisturbed(self):
        """The results everything is compared with, made twice; self.seconds is how long a run takes with all jobs."""
        count = max(2, self.options.jobs)
        folders = [self.folder("calm" if i == 0 else f"calm {i}") for i in range(count)]
        with concurrent.futures.ThreadPoolExecutor(count) as pool:
            runs = list(pool.map(lambda folder: self.run(folder, ranks=3), folders))
        for folder, run in zip(folders, runs):
            if run.status != 0 or self.difference(folder):
                sys.exit(f"{self.name}: an undisturbed run failed or differs from another: {run}")
            if folder != self.calm:
                shutil.rmtree(folder)
        self.seconds = sorted(run.seconds for run in runs)[count // 2]
        self.facts = read_facts(self.calm / "results.h5")
        if sorted(runs[0].begun()) != list(range(len(self.facts.marks))):
            sys.exit(f"{self.name}: an undisturbed run does not say of each row once that it begins: {runs[0]}")

    def counts(self, ranks):
        """How often an undisturbed run makes each call: [(rank, call, file, count)]."""
        folder = self.folder(f"counted {ranks}")
        (folder / "counts").mkdir()
        run = self.run(folder, ranks=ranks, count=True)
        if run.status != 0:
            sys.exit(f"{self.name}: the run whose calls are counted failed: {run}")
        found = []
        for file in sorted((folder / "counts").iterdir()):
            for line in sorted(file.read_text(encoding="ascii").splitlines()):
                call, kind, count = line.split()
                found.append((int(file.name), call, kind, int(count)))
        shutil.rmtree(folder)
        return found

    # ---- one run ----

    def run(self, folder, *options, ranks, order=None, kill=None, io=None, count=False):
        """Runs the sweep in the folder.  ranks None: without mpirun.  order: an Order.  kill: (seconds, victim), victim
        "mpirun", "all" or a rank.  io: the MPI-IO layer.  count: leaves counts/."""
        environment = dict(self.tiny.ENVIRONMENT, **({"OMPI_MCA_io": io} if io else {}))
        if ranks is None and self.sweep is self.smallest_sweep:  # thousands of them: without the daemon of Open MPI
            environment.update(OMPI_MCA_ess_singleton_isolated="1", OMPI_MCA_orte_tmpdir_base=str(folder))
        command = self.tiny.command_of(("run", folder / "sweep.yaml", "-o", folder / "results.h5", "--verbose",
                                        *self.extra, *options), ranks)
        if order or count:
            before = [f"LD_PRELOAD={self.library}", f"PALIMPSEST_FOLDER={folder}"]
            before += [f"PALIMPSEST_INTERPOSE={order}"] if order else []
            before += [f"PALIMPSEST_COUNTS={folder / 'counts'}"] if count else []
            place = command.index(str(self.tiny.PROGRAM))
            command[place:place] = ["env", *before]
        with open(folder / "log", "ab") as log:
            start = log.tell()
            log.write(f"== {order or kill or ''} {io or ''} {' '.join(command)}\n".encode())
            log.flush()
            began = time.monotonic()
            process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT, start_new_session=True)
            landed = kill is not None and kill_after(process, *kill)
            status, alone = wait(process, began, mpirun=ranks is not None)
        with open(folder / "log", "rb") as log:
            log.seek(start)
            said = log.read().decode(errors="replace")
        if OUT_OF_ORDER in said:
            raise Failure("unequal", f"a power cut would lose what counts as kept: {said[-4000:]}")
        return Ended(status, said, time.monotonic() - began, landed, alone)

    def finish(self, folder, *options, **how):
        """Runs until the sweep is done; what a killed mpirun left may need a moment to be gone."""
        limit = time.monotonic() + SECONDS
        while True:
            run = self.run(folder, *options, **how)
            if run.status == 0:
                return run
            if run.status is None:
                raise Failure("hangs", f"the run that should finish hangs: {run}")
            if AT_WORK not in run.said or time.monotonic() > limit:
                raise Failure("unequal", f"the run that should finish fails: {run}")
            time.sleep(0.2)

    def difference(self, folder):
        return self.tiny.difference(self.calm / "results.h5", folder / "results.h5")

    def expect_equal(self, folder):
        said = self.difference(folder)
        if said:
            raise Failure("unequal", f"the results differ from an undisturbed run:\n{said}")

    # ---- all of them ----

    def shuffle(self, things):
        random.Random(self.options.seed).shuffle(things)

    def campaign(self, trial, trials, broken, shown):
        """trial(number, random) -> Counter.  broken: the counts that must be 0; shown: those that are told beside."""
        first, until = self.options.first, trials if self.options.until is None else self.options.until
        if not 0 <= first < until <= trials:
            sys.exit(f"{self.name}: --first {first} --until {until}: there are {trials} trials, from 0 on")
        numbers = range(first, until) if self.options.only is None else [self.options.only]
        total = collections.Counter()

        def one(number):
            try:
                return trial(number, random.Random(f"{self.options.seed}/{number}"))
            except Failure as failure:
                self.say(f"trial {number}: {failure.kind}: {failure}")
                return collections.Counter({failure.kind: 1})
            except Exception:  # a bug of the campaign is no proof of anything
                self.say(f"trial {number}: {traceback.format_exc()}")
                return collections.Counter({broken[-1]: 1})

        with concurrent.futures.ThreadPoolExecutor(self.options.jobs) as pool:
            for done, counts in enumerate(pool.map(one, numbers), start=1):
                total += counts
                if done % 100 == 0:
                    self.say(f"{done} of {len(numbers)} trials: {dict(total)}")
        print(f"{self.name}: {len(numbers)} trials, " +
              ", ".join(f"{total[count]} {count}" for count in (*shown, *broken)), flush=True)
        sys.exit(1 if any(total[count] for count in broken) else 0)

    def tidy(self, folder):
        """After a trial without a fault."""
        if self.options.only is None:
            shutil.rmtree(folder, ignore_errors=True)


# ---- processes ----

def wait(process, began, mpirun):
    """Its exit status, and whether it had to be ended although no rank was left."""
    try:
        return process.wait(timeout=max(1, SECONDS - (time.monotonic() - began))), False
    except subprocess.TimeoutExpired:
        alone = mpirun and not children(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None, alone


def children(parent):
    """Rank -> process id of the programs that mpirun has started."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[1]) != parent:
                continue
            rank = re.search(rb"\0OMPI_COMM_WORLD_RANK=(\d+)", b"\0" + (entry / "environ").read_bytes())
        except OSError:  # gone meanwhile
            continue
        if rank:
            found[int(rank.group(1))] = int(entry.name)
    return found


def kill_after(process, seconds, victim):
    """Whether something was there to be killed."""
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        pass
    ranks = children(process.pid)
    victims = {"mpirun": [process.pid], "all": [process.pid, *ranks.values()]}.get(victim)
    for pid in victims or [ranks.get(victim, process.pid)]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return True


# ---- results ----

class Facts:
    """What one moment's results file holds: marks and provenance by row, and every variable of the root."""

    def __init__(self, file):
        self.marks = file["stages/mark"][()]
        self.provenance = [bytes(row) for row in file["provenance/stage"][()]]
        self.variables = {name: item[()] for name, item in file.items() if isinstance(item, h5py.Dataset)}

    def marked(self):
        return {int(row) for row in numpy.flatnonzero(self.marks.any(axis=1))}

    def committed(self, right):
        """Rows whose mark is that of the undisturbed run; others may have been cut in the middle."""
        return {row for row in self.marked() if (self.marks[row] == right.marks[row]).all()}

    def wrong(self, right):
        """Variables with a number that is neither missing nor that of the undisturbed run."""
        return [name for name, values in self.variables.items() if not agrees(values, right.variables[name])]


def agrees(values, right):
    if values.shape != right.shape or values.dtype != right.dtype:
        return False
    if values.dtype == numpy.float64:
        return bool(((values.view(numpy.uint64) == right.view(numpy.uint64)) | numpy.isnan(values)).all())
    if values.dtype == numpy.int8:  # a status: still pending, or what it will be
        return bool(((values == right) | (values == 0)).all())
    return bool((values == right).all())


def read_facts(path):
    """None when there is no file yet; a file that cannot be read is a broken promise."""
    if not path.exists():
        return None
    try:
        with h5py.File(path, "r") as file:
            return Facts(file)
    except (OSError, KeyError, RuntimeError) as why:
        raise Failure("unreadable", f"{path}: {why}") from why

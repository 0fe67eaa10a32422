"""Small sweeps through the real binary: what the end-to-end tests share.

Command line of every such test: ROOT PALIMPSEST MPIRUN.  Each runs in a scratch folder of its own whose name holds a
space; with PALIMPSEST_KEEP set the folder stays and its place is printed.
"""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy

ROOT, PROGRAM, MPIRUN = (Path(argument).absolute() for argument in sys.argv[1:4])
sys.path.insert(0, str(ROOT / "tests" / "support"))

ENVIRONMENT = {**os.environ, "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
if os.getuid() == 0:
    ENVIRONMENT.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")

# 8 sequences of 32 tokens make a step of 256 tokens: 2Ki are 8 steps (2 of them cooldown), 4Ki are 16 (3).
TINY = """\
name: tiny
world: {{kind: grammar, domains: 4, task_domains: 1, seed: 1}}
tasks: [tense, subject_number]
model:
  context: 32
  sizes:
    nano:  {{layers: 1, width: 16, heads: 2}}
    micro: {{layers: 2, width: 16, heads: 2}}
pretrain: {{batch: 8, warmup: 512, cooldown: 0.2}}
finetune: {{batch: 8, steps: {steps}, learning_rate: {rate}, second: {{learning_rate: {second_rate}}}}}
evaluate: {{items: {items}, tokens: 512}}
axes:
  size:    {size}
  tokens:  {tokens}
  variety: {variety}
  pair:    {pair}
  seed:    {seed}
measure: {measure}
{more}"""
DEFAULTS = {"steps": 12, "rate": "2e-3", "second_rate": "2e-3", "items": 64, "size": "[nano, micro]",
            "tokens": "[0, 2Ki, 4Ki]", "variety": "[1, 2]", "pair": "all", "seed": 2, "measure": "[curves]", "more": ""}


def sweep_text(**changes):
    unknown = set(changes) - set(DEFAULTS)
    assert not unknown, unknown
    return TINY.format(**{**DEFAULTS, **changes})


class Done:
    """What a command that ended left: its exit status, stdout and stderr."""

    def __init__(self, process):
        self.status, self.out, self.err = process.returncode, process.stdout, process.stderr

    def __repr__(self):
        return f"exit {self.status}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"


def scratch_folder():
    folder = Path(tempfile.mkdtemp(prefix="palimpsest end to end "))
    if os.environ.get("PALIMPSEST_KEEP"):
        print(f"kept: {folder}")
    else:
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def command_of(arguments, ranks):
    """ranks None: the program alone; else under mpirun."""
    launcher = [] if ranks is None else [MPIRUN, "-n", ranks, "--oversubscribe", "--bind-to", "none"]
    return [str(part) for part in (*launcher, PROGRAM, *arguments)]


def palimpsest(*arguments, ranks=None, seconds=200, **environment):
    return Done(subprocess.run(command_of(arguments, ranks), env={**ENVIRONMENT, **environment}, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, check=False))


def start(*arguments, ranks=None, log=None, **environment):
    """The same in the background, at the head of a process group of its own."""
    return subprocess.Popen(command_of(arguments, ranks), env={**ENVIRONMENT, **environment}, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=subprocess.STDOUT, start_new_session=True)


def run_sweep(folder, name, text, *options, ranks=None, status=0):
    """Writes sweep.yaml, runs it into NAME.h5, checks the exit status; the path of the results."""
    sweep, results = Path(folder, "sweep.yaml"), Path(folder, f"{name}.h5")
    sweep.write_text(text)
    done = palimpsest("run", sweep, "-o", results, *options, ranks=ranks)
    assert done.status == status, done
    return results


def difference(a, b):
    """What tools/compare_results says: nothing when the two files are equal."""
    done = subprocess.run([str(ROOT / "tools" / "compare_results"), str(a), str(b)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode == 0:
        return ""
    return done.stdout or f"compare_results ended with {done.returncode}"


def expect_equal(a, b):
    said = difference(a, b)
    assert not said, said


def variable(results, name):
    with h5py.File(results, "r") as file:
        return file[name][()]


def dimensions(results, name):
    """Names of the dimensions of a root variable, as its scales give them."""
    with h5py.File(results, "r") as file:
        return [axis[0].name.lstrip("/") for axis in file[name].dims]


def state_ids(results):
    """Row of the stage table to its state id, 32 hexadecimal digits."""
    return [bytes(row).hex() for row in numpy.asarray(variable(results, "stages/state_id"), dtype=numpy.uint8)]


def checkpoint(results, state_id):
    return Path(str(results).removesuffix(".h5") + ".stages", f"{state_id}.h5")


def found(tree, key):
    """The value of `key` wherever it stands in nested dictionaries and lists; fails when there is none."""
    pending = [tree]
    while pending:
        here = pending.pop()
        if isinstance(here, dict):
            if key in here:
                return here[key]
            pending += here.values()
        elif isinstance(here, list):
            pending += here
    raise AssertionError(f"{key} is not in {json.dumps(tree)}")


def status_of(results):
    done = palimpsest("status", results, "--json")
    assert done.status == 0, done
    return json.loads(done.out)

"""A rank killed in the middle of writing: the file opens, every committed row is right, and a new job finishes it."""

import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import h5py
import xarray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402
from store_runs import Tool, read_pids  # noqa: E402

TOOL = Tool(sys.argv[1], sys.argv[2])
FOLDER = tempfile.TemporaryDirectory(prefix="test kill ")
TOOL.run("create", Path(FOLDER.name, "rows.h5"))
with h5py.File(Path(FOLDER.name, "rows.h5")) as rows_of:
    ROWS = rows_of["stages/parent"].shape[0]  # of the fixture
RANKS = 3


def killed(path, delay, victim, options=()):
    """Rows that are committed after that rank was killed so many seconds after all had the file open."""
    job = TOOL.write(path, seconds=0.4, ranks=RANKS, options=options)
    pids = read_pids(job, RANKS)
    time.sleep(delay)
    os.kill(pids[victim], signal.SIGKILL)
    job.communicate(timeout=50)
    assert job.returncode != 0
    committed, damaged, wrong = TOOL.check(path)
    assert (damaged, wrong) == (0, 0), (committed, damaged, wrong)
    with xarray.open_dataset(path, engine="h5netcdf") as data:
        data.load()
    return committed


@sentence
def committed_rows_survive_any_instant():
    draw = random.Random(1)
    seen = []
    for trial in range(6):
        path = Path(FOLDER.name, f"killed_{trial}.h5")
        TOOL.run("create", path)
        options = ("--mca", "io", "romio321") if trial % 2 else ()
        seen.append(killed(path, draw.uniform(0, 0.4), trial % RANKS, options))
    assert any(0 < committed < ROWS for committed in seen), seen  # some were killed in the middle


@sentence
def a_job_after_the_kill_finishes_the_file():
    path = Path(FOLDER.name, "finished.h5")
    TOOL.run("create", path)
    killed(path, 0.1, 1)
    TOOL.written(path, ranks=2)
    assert TOOL.check(path) == (ROWS, 0, 0)


run_sentences()

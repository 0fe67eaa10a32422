"""From a rank's death to stages that are done again, under hpc/restart: kill -9 of a rank, many times.

usage: restart_time.py ROOT PALIMPSEST MPIRUN [--trials N] [--seed S] [--most SECONDS]

Kills one of three ranks at a random moment, and waits for the next row that the run after it commits.  Every trial says
what the time went into; the last line gives median and most.  Exit 0: every one within --most seconds (default 5), or, on a
machine that is slow or busy, within four times what the first start took until a stage was done, but never more than four
times --most; the sweep finished, and its results equal those of an undisturbed run.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

os.environ["HDF5_USE_FILE_LOCKING"] = "FALSE"  # read while it is written
sys.path.insert(0, str(Path(sys.argv[1]).absolute() / "tests" / "end_to_end"))

import h5py  # noqa: E402
from tiny_sweeps import ENVIRONMENT, MPIRUN, PROGRAM, ROOT, expect_equal, run_sweep, scratch_folder, sweep_text  # noqa: E402

DONE = 2  # first word of a mark


def rows_done(results):
    try:
        with h5py.File(results, "r") as file:
            return int((file["stages/mark"][:, 0] == DONE).sum())
    except OSError:  # not there yet
        return 0


def wait_until(condition, process, seconds=60):
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert process.poll() is None, "the run ended too early"
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)
    return value


def ranks_of(results):
    """Process ids of the ranks that run into that file, by their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            variables = (entry / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if Path(os.fsdecode(arguments[0])).name == "palimpsest" and os.fsencode(results) in arguments:
            rank = [v.split(b"=")[1] for v in variables if v.startswith(b"OMPI_COMM_WORLD_RANK=")]
            if rank:
                found[int(rank[0])] = int(entry.name)
    return found


def one_death(process, results, log, chance):
    """Seconds until mpirun was gone, and until a stage of the next run was done."""
    before = log.read_text().count("started again")
    time.sleep(chance.uniform(0.1, 0.6))
    ranks = wait_until(lambda: len(r := ranks_of(results)) == 3 and r, process)
    victim = chance.choice(sorted(ranks))
    os.kill(ranks[victim], 9)
    died = time.monotonic()
    wait_until(lambda: log.read_text().count("started again") > before, process)
    gone = time.monotonic()
    rows = rows_done(results)
    wait_until(lambda: rows_done(results) > rows, process)
    return victim, gone - died, time.monotonic() - died


def deaths(options, process, results, log):
    """Seconds from the start to the first stage done, and from each death to the next one."""
    chance, taken, began = random.Random(options.seed), [], time.monotonic()
    wait_until(lambda: rows_done(results) > 0, process)
    first = time.monotonic() - began
    for trial in range(options.trials):
        victim, gone, done = one_death(process, results, log, chance)
        taken.append(done)
        print(f"{trial + 1:3d}: rank {victim} killed; mpirun gone after {gone:.2f} s, next stage done after {done:.2f} s",
              flush=True)
    return first, taken


def main():
    parser = argparse.ArgumentParser()
    for name, kind, default in (("trials", int, 10), ("seed", int, 1), ("most", float, 5)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    options = parser.parse_args(sys.argv[4:])
    folder = scratch_folder()
    text = sweep_text(steps=80, seed=5 * options.trials, size="[micro]", items=64)
    undisturbed = run_sweep(folder, "undisturbed", text, ranks=3)
    results, log = folder / "killed.h5", folder / "killed.log"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [str(part) for part in (ROOT / "hpc" / "restart", MPIRUN, "-n", 3, "--oversubscribe", "--bind-to", "none",
                                    PROGRAM, "run", folder / "sweep.yaml", "-o", results)],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        first, taken = deaths(options, process, results, log)
        assert process.wait(timeout=200) == 0, log.read_text()
    finally:
        process.terminate()
        process.wait()
    expect_equal(undisturbed, results)
    print(f"from the first start to a stage done: {first:.2f} s")
    print(f"{options.trials} deaths, from death to the next stage done: median {statistics.median(taken):.2f} s, "
          f"most {max(taken):.2f} s; the final file is equal")
    return 0 if max(taken) <= max(options.most, 4 * min(first, options.most)) else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/python3
"""Sets `palimpsest bench schedule` beside mpi4py.futures: as many tasks that do nothing, on as many ranks, in turns.

    tools/bench_dispatch.py build/palimpsest                 20,000 tasks on 3 ranks, 5 rounds
    tools/bench_dispatch.py build/palimpsest --ranks 5 --stages 50000 --rounds 3

Both have one rank that hands out and the rest that carry out.  mpi4py.futures maps a function that gives back its
argument, chunksize 1, and keeps nothing.  palimpsest writes a row and a mark of every stage to a results file in
--folder and syncs them, as in any run; the file is removed.  Neither time holds the start of the ranks.  The side that
goes first changes from round to round.  Printed: tasks per second of both, and the ratio, as median and range over the
rounds.  (Debian: python3-mpi4py; tools/install peer.)
"""
import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

WARM_UP = 64  # tasks, so that every worker has started before the clock does


# ---- mpi4py.futures, under mpirun ----

def nothing(number):
    return number


def measure_peer(tasks):
    from mpi4py import MPI, __version__
    from mpi4py.futures import MPIPoolExecutor

    with MPIPoolExecutor() as pool:
        list(pool.map(nothing, range(WARM_UP), chunksize=1))
        before = time.perf_counter()
        answers = list(pool.map(nothing, range(tasks), chunksize=1))
        seconds = time.perf_counter() - before
    if answers != list(range(tasks)):
        raise SystemExit("bench_dispatch: mpi4py.futures lost tasks")
    library = MPI.Get_library_version().split(",")[0].strip()
    return {"tasks": tasks, "seconds": seconds, "ranks": MPI.COMM_WORLD.Get_size(), "uses": f"mpi4py {__version__}, {library}"}


# ---- the two in turns ----

def run(given, command):
    environment = {**os.environ, "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    if os.getuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    command = [given.launcher, "-n", str(given.ranks), "--oversubscribe", "--bind-to", "none", *command]
    done = subprocess.run(command, cwd=given.folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          check=False)
    if done.returncode != 0:
        raise SystemExit(f"bench_dispatch: {' '.join(command)} ended with {done.returncode}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"bench_dispatch: {' '.join(command)} does not print what a benchmark prints") from None


def run_ours(given):
    told = run(given, [given.program, "bench", "schedule", "--stages", str(given.stages), "--json"])
    return {"tasks": told["stages"], "seconds": told["seconds"], "ranks": told["ranks"]}


def run_theirs(given):
    return run(given, [sys.executable, "-m", "mpi4py.futures", os.path.abspath(__file__), "--measure", str(given.stages)])


def take_round(given, number):
    sides = [("ours", run_ours), ("theirs", run_theirs)]
    if number % 2:
        sides.reverse()
    taken = {name: side(given) for name, side in sides}
    for name, side in taken.items():
        if side["ranks"] != given.ranks:
            raise SystemExit(f"bench_dispatch: {name}: {side['ranks']} ranks were started, not {given.ranks}; was "
                             f"{given.launcher} made for another MPI?")
    return taken


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summary_of(given, rounds):
    speed = {side: [r[side]["tasks"] / r[side]["seconds"] for r in rounds] for side in ("ours", "theirs")}
    return {"theirs": rounds[0]["theirs"]["uses"], "ranks": given.ranks, "rounds": given.rounds,
            "tasks": {side: rounds[0][side]["tasks"] for side in speed},
            "ours_tasks_per_second": spread(speed["ours"]), "theirs_tasks_per_second": spread(speed["theirs"]),
            "ratio": spread([ours / theirs for ours, theirs in zip(speed["ours"], speed["theirs"])])}


def print_summary(summary):
    print(f"{summary['ranks']} ranks, {summary['rounds']} rounds; theirs: {summary['theirs']}")
    for side, name in (("ours", "palimpsest bench schedule"), ("theirs", "mpi4py.futures")):
        speed = summary[f"{side}_tasks_per_second"]
        print(f"{name:26} {summary['tasks'][side]:7d} tasks  {speed['median']:9.0f} tasks/s  ({speed['least']:.0f} .. {speed['most']:.0f})")
    ratio = summary["ratio"]
    print(f"ratio {ratio['median']:.2f} ({ratio['least']:.2f} .. {ratio['most']:.2f})")


def whole(least):
    def read(text):
        if not text.isdecimal() or not least <= int(text) <= 10_000_000:
            raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from {least} to 10000000')
        return int(text)

    return read


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the palimpsest to measure")
    parser.add_argument("--stages", type=whole(1), default=20000, help="tasks; palimpsest takes a few more to fill a grid; default 20000")
    parser.add_argument("--ranks", type=whole(2), default=3, help="one hands out; default 3")
    parser.add_argument("--rounds", type=whole(1), default=5, help="default 5")
    parser.add_argument("--launcher", default="mpirun", help="default mpirun")
    parser.add_argument("--folder", help="for the results file, on the disk that counts; default: a new temporary one")
    parser.add_argument("--json", action="store_true", help="prints JSON")
    parser.add_argument("--measure", type=whole(1), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return given
    if not given.program or not os.access(given.program, os.X_OK):
        parser.error("name the palimpsest to measure: tools/bench_dispatch.py build/palimpsest")
    if not shutil.which(given.launcher):
        parser.error(f"--launcher {given.launcher}: there is no such program")
    if given.folder and not os.path.isdir(given.folder):
        parser.error(f"--folder {given.folder}: there is no such folder")
    given.program = os.path.abspath(given.program)
    return given


def compare(given):
    with tempfile.TemporaryDirectory(prefix="palimpsest-dispatch-") as scratch:
        given.folder = given.folder or scratch
        summary = summary_of(given, [take_round(given, number) for number in range(given.rounds)])
    if given.json:
        print(json.dumps(summary, indent=2))
    else:
        print_summary(summary)


def main():
    given = arguments()
    if given.measure:
        print(json.dumps(measure_peer(given.measure)))
        return
    if subprocess.run([sys.executable, "-c", "import mpi4py.futures"], stderr=subprocess.PIPE, check=False).returncode != 0:
        raise SystemExit(f"bench_dispatch: {sys.executable} has no mpi4py (Debian: python3-mpi4py; tools/install peer)")
    compare(given)


if __name__ == "__main__":
    main()

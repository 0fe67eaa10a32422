#!/usr/bin/python3
"""Plans a grid of a million stages: how long `palimpsest plan` takes, and how much memory.

    tools/bench_plan.py build/palimpsest [--seeds 6200] [--rounds 3] [--json FILE]

The grid is that of sweeps/quickstart.yaml with so many seeds, 162 stages each.  The memory is the most that the process
ever had, libraries included (wait4).
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

QUICKSTART = pathlib.Path(__file__).resolve().parent.parent / "sweeps" / "quickstart.yaml"
MEBI = 2**20


def sweep_of(seeds):
    text, changed = re.subn(r"(?m)^(  seed:).*$", rf"\1 {seeds}", QUICKSTART.read_text(encoding="utf-8"))
    if changed != 1:
        sys.exit(f"bench_plan.py: {QUICKSTART} should have one axis of seeds and has {changed}")
    return text


def planned(program, sweep):
    """Stages, seconds, bytes."""
    begun = time.monotonic()
    with subprocess.Popen([program, "plan", sweep, "--json"], stdout=subprocess.PIPE, text=True) as process:
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"bench_plan.py: {program} plan {sweep}: exit status {process.returncode}")
    try:
        return json.loads(said)["stages"], seconds, usage.ru_maxrss * 1024
    except (ValueError, KeyError, TypeError):
        sys.exit(f"bench_plan.py: {program} plan --json does not say what a palimpsest says")


def positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--seeds", type=positive, default=6200)
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures there")
    given = parser.parse_args()
    if given.json and not given.json.parent.is_dir():
        parser.error(f"--json {given.json}: there is no folder {given.json.parent}; create it first")
    with tempfile.TemporaryDirectory() as folder:
        sweep = pathlib.Path(folder, "sweep.yaml")
        sweep.write_text(sweep_of(given.seeds), encoding="utf-8")
        rounds = [planned(os.path.abspath(given.program), sweep) for _ in range(given.rounds)]
    seconds = [taken for _, taken, _ in rounds]
    found = {"stages": rounds[0][0], "rounds": given.rounds, "peak_bytes": max(peak for *_, peak in rounds),
             "seconds": {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}}
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    print("{stages:,} stages planned in {0[median]:.2f} s ({0[least]:.2f} to {0[most]:.2f}), {1:.0f} MiB".format(
        found["seconds"], found["peak_bytes"] / MEBI, **found))


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"bench_plan.py: {error}")

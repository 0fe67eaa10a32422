#!/usr/bin/python3
"""Compares the memory that `palimpsest plan` promises with what ranks really take.

    tools/bench_memory.py build/palimpsest [--shapes 2-32-2-64-16 ...] [--ranks 1 3] [--measure all] [--json FILE]

For each shape (layers-width-heads-context-batch) a sweep of a few steps is written, planned, and run on each number of
ranks.  The most memory that a rank ever had stands in the certificate and in the rows of the results (Linux: VmHWM, so
libraries and what ranks of one host share are included).  Exit status 1 when a promise is more than 10 % off what the
rank of its kind took that took most: which of those that work got the largest stage is chance.
(Debian: python3-h5py.)
"""
import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import h5py

SHAPES = ["2-32-2-64-16", "2-64-2-64-16", "4-64-4-64-16", "4-128-4-128-16", "6-256-8-128-16", "8-512-8-256-8"]
WITHIN = 0.10
MEBI = 2**20

# Two amounts, so that one trunk goes on from another with its moments: the most that a stage ever holds.
SWEEP = """\
name: memory
world:
  kind: text
  tokenizer: bytes
  corpora: {{letters: [letters.txt], more: [more.txt]}}
  tasks:
    one: {{train: one.tsv, test: one_test.tsv}}
    two: {{train: two.tsv, test: two_test.tsv}}
tasks: [one, two]
model: {{layers: {layers}, width: {width}, heads: {heads}, context: {context}}}
pretrain: {{batch: {batch}, warmup: {step}, cooldown: {step}, unique: {step}}}
finetune: {{batch: {batch}, steps: 2}}
evaluate: {{items: 32, tokens: 2Ki}}
axes: {{tokens: [{short}, {long}], pair: [[one, two]], seed: 1}}
{measure}"""


def shape_of(text):
    parts = text.split("-")
    if len(parts) != 5 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} is not five whole numbers such as {SHAPES[0]}")
    return text


def ranks_of(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def planned(program, sweep):
    try:
        done = subprocess.run([program, "plan", sweep, "--json"], capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"bench_memory.py: {program}: {error.strerror}")
    if done.returncode != 0:
        sys.exit(f"bench_memory.py: {program} plan {sweep.name}: exit status {done.returncode}\n{done.stderr}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        sys.exit(f"bench_memory.py: {program} plan --json does not say what a palimpsest says")


def write_data(folder):
    draw = random.Random(1)
    word = lambda: "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(2, 8)))
    for name in ("letters", "more"):
        lines = (" ".join(word() for _ in range(12)) for _ in range(2000))
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")
    for name in ("one", "one_test", "two", "two_test"):
        lines = (f"{'even' if i % 2 == 0 else 'odd'}\t{word()} {word()} {i}" for i in range(200))
        (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n")


def write_sweep(folder, shape, instruments):
    layers, width, heads, context, batch = (int(part) for part in shape.split("-"))
    step = context * batch
    path = folder / f"{shape}.yaml"
    path.write_text(SWEEP.format(layers=layers, width=width, heads=heads, context=context, batch=batch, step=step,
                                 short=2 * step, long=3 * step,
                                 measure=f"measure: [{', '.join(instruments)}]\n" if instruments else ""))
    return path


def measured(program, sweep, ranks, launcher):
    """Most bytes by rank."""
    results = sweep.with_name(f"{sweep.stem}-{ranks}.h5")
    command = [] if ranks == 1 else [launcher, "-n", str(ranks), "--oversubscribe", "--bind-to", "none"]
    environment = {**os.environ, "OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    if os.getuid() == 0:
        environment.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    done = subprocess.run([*command, program, "run", sweep, "-o", results], env=environment, capture_output=True,
                          text=True)
    if done.returncode != 0:
        sys.exit(f"bench_memory.py: {sweep.name} on {ranks} ranks: exit status {done.returncode}\n{done.stderr}")
    with h5py.File(results) as file:
        rows, certificate = file["provenance/stage"][()], file["provenance/certificate"][0]
    most = {0: int(certificate["peak_bytes_rank_0"])}
    for row in rows:
        rank = int(row["rank"])
        most[rank] = max(most.get(rank, 0), int(row["peak_bytes"]))
    if ranks > 1:  # rows of short stages may be a little behind the end
        top = max(range(1, ranks), key=lambda rank: most.get(rank, 0))
        most[top] = max(most.get(top, 0), int(certificate["peak_bytes"]))
    results.unlink()
    return most


def farthest(found):
    """The largest deviation from a promise, of the ranks that took most of their kind."""
    most = {}
    for rank in found:
        kind = rank["shape"], rank["ranks"], rank["role"]
        most[kind] = max(most.get(kind, -1), rank["off"])
    return max(map(abs, most.values()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--shapes", nargs="+", type=shape_of, default=SHAPES, metavar="LAYERS-WIDTH-HEADS-CONTEXT-BATCH")
    parser.add_argument("--ranks", nargs="+", type=ranks_of, default=[1, 3])
    parser.add_argument("--measure", nargs="+", default=[], metavar="INSTRUMENT", help="switched on in the sweep")
    parser.add_argument("--launcher", default="mpirun")
    parser.add_argument("--json", type=pathlib.Path, help="also write the figures there")
    given = parser.parse_args()
    program = os.path.abspath(given.program)
    found = []
    print(f"{'shape':16} {'ranks':>5} {'rank':>4} {'does':12} {'promised':>10} {'taken':>10} {'off':>7}")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_data(folder)
        for shape in given.shapes:
            sweep = write_sweep(folder, shape, given.measure)
            plan = planned(program, sweep)
            for ranks in given.ranks:
                for rank, taken in sorted(measured(program, sweep, ranks, given.launcher).items()):
                    role = "alone" if ranks == 1 else "coordinates" if rank == 0 else "works"
                    promised = plan[{"alone": "memory_bytes_alone", "coordinates": "memory_bytes_rank_0",
                                     "works": "memory_bytes_per_rank"}[role]]
                    off = taken / promised - 1
                    found.append({"shape": shape, "ranks": ranks, "rank": rank, "role": role, "taken_bytes": taken,
                                  "promised_bytes": promised, "off": off})
                    print(f"{shape:16} {ranks:5} {rank:4} {role:12} {promised / MEBI:6.1f} MiB {taken / MEBI:6.1f} MiB "
                          f"{100 * off:+6.1f}%", flush=True)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    most_off = farthest(found)
    print(f"largest deviation {100 * most_off:.1f} %, wanted at most {100 * WITHIN:.0f} %")
    return 0 if most_off <= WITHIN else 1


if __name__ == "__main__":
    sys.exit(main())

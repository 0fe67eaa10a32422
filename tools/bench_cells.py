#!/usr/bin/python3
"""Cells per core-hour, three ways: a PyTorch script per cell, palimpsest without sharing, palimpsest.

    PALIMPSEST_DATA=... tools/bench_cells.py build/palimpsest [--sweep sweeps/cells.yaml] [--sample 12] [--json FILE]

1. `peer_text.py` once per cell under GNU parallel, one thread and one core each: the same text, recipe and evaluations.
   Texts are made into tokens beforehand, once, which costs this way nothing.  Only a random sample of cells is run, equally
   many of each size; the rest is extrapolated by FLOPs, size by size.
2. `palimpsest run --no-sharing` on a part of the grid (one variety, one pair, one seed), extrapolated by FLOPs as `plan`
   counts them.
3. `palimpsest run`, the whole grid.

Losses of language modelling of the sampled cells must agree with those of 3 as one seed agrees with another: PyTorch's minus
palimpsest's must be no larger than differences between seeds of palimpsest (Mann-Whitney), and lean to neither side
(Wilcoxon).  Ranks, because what a second task does to language has heavy tails: now and then a loss rises by several nats,
in either program.  Exit status 1 when they do not.  (Debian: parallel python3-torch python3-yaml python3-h5py python3-scipy.)
"""
import argparse
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

TOOLS = os.path.dirname(os.path.abspath(__file__))
LEAST_P = 0.01  # below it losses do not agree


# ---- one cell in PyTorch ----

def prepare(sweep, data, path):
    """Everything that cells read, as tokens."""
    import torch

    import peer_text
    shape, _, _, _, evaluate = peer_text.recipes(sweep, next(iter(sweep["model"]["sizes"])))
    world = sweep["world"]
    corpora = peer_text.read_corpora(world, data)
    vocabulary = peer_text.Vocabulary([t for training, _ in corpora.values() for t in training],
                                      world["tokenizer"]["words"])
    streams = {name: [torch.tensor([token for text in part for token in vocabulary.encode_documents(text)])
                      for part in parts] for name, parts in corpora.items()}
    tasks = {name: peer_text.Task(peer_text.read_task(world["tasks"][name], data), vocabulary.encode,
                                  vocabulary.separator, shape["context"], 1, evaluate["items"])
             for name in world["tasks"]}
    torch.save({"streams": streams, "tasks": tasks, "vocabulary": vocabulary.size}, path)
    return {name: sum(len(tokens) for tokens, _ in task.train) / len(task.train) for name, task in tasks.items()}, \
        {name: len(task.test) for name, task in tasks.items()}, vocabulary.size


def run_cell(sweep, cache, cell):
    """Prints the cell's losses; what peer_text.py does, from tokens."""
    import torch

    import peer_text
    torch.set_num_threads(1)
    torch.manual_seed(cell["seed"])
    generator = torch.Generator().manual_seed(cell["seed"])
    shape, pretraining, first, second, evaluate = peer_text.recipes(sweep, cell["size"])
    found = torch.load(cache)
    training, held = ({name: parts[i] for name, parts in found["streams"].items()} for i in (0, 1))
    context, reference = shape["context"], int(peer_text.amount(evaluate["tokens"]))
    model = peer_text.Transformer(shape, found["vocabulary"])
    mean_loss = lambda: (lambda losses: sum(losses.values()) / len(losses))(
        peer_text.lm_losses(model, held, context, reference))
    result = {"initial": mean_loss()}
    peer_text.pretrain(model, [training[name] for name in cell["domains"]], peer_text.amount(cell["tokens"]),
                       pretraining, context, generator)
    result["pretrained"] = mean_loss()
    one, two = cell["pair"]
    score = lambda name: peer_text.accuracy(model, name, found["tasks"][name], first["pool"])
    peer_text.finetune(model, one, found["tasks"][one], first, generator)
    result.update(first=mean_loss(), A_first=score(one))
    peer_text.finetune(model, two, found["tasks"][two], second, generator)
    result.update(second=mean_loss(), A_second=score(one), B_second=score(two))
    print(json.dumps(result))


# ---- what a cell costs ----

class Costs:
    """FLOPs as design and `plan` count them: 6 (12 L d^2 + V d) + 12 L T d per token of training, a third forward."""

    def __init__(self, sweep, item_tokens, test_items, vocabulary):
        self.sweep, self.item_tokens, self.test_items, self.vocabulary = sweep, item_tokens, test_items, vocabulary

    def of(self, cell):
        import peer_text
        shape, _, first, second, evaluate = peer_text.recipes(self.sweep, cell["size"])
        layers, width, context = shape["layers"], shape["width"], shape["context"]
        blocks = lambda length: 6 * 12 * layers * width**2 + 12 * layers * length * width
        language = blocks(context) + 6 * self.vocabulary * width
        corpora = len(self.sweep["world"]["corpora"])
        flops = peer_text.amount(cell["tokens"]) * language
        flops += 4 * peer_text.amount(evaluate["tokens"]) * corpora * language / 3
        for place, name in enumerate(cell["pair"]):
            recipe, length = (first, second)[place], self.item_tokens[name]
            evaluations = 2 - place  # the first task is scored after both
            tokens = recipe["steps"] * recipe["batch"] + evaluations * self.test_items[name] / 3
            flops += tokens * length * blocks(length)
        return flops


# ---- palimpsest ----

def environment():
    added = {"OMPI_MCA_btl_vader_single_copy_mechanism": "none"}
    if os.getuid() == 0:
        added.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
    return {**os.environ, **added}


def plan_of(program, sweep, *more):
    return json.loads(subprocess.check_output([program, "plan", sweep, "--json", *more], env=environment()))


def run_sweep(program, sweep, results, cores, *more):
    """Core-seconds of the whole command on that many cores."""
    command = ["mpirun", "-n", str(cores + 1), "--oversubscribe", "--bind-to", "none", program, "run", sweep, "-o", results,
               *more]
    started = time.time()
    done = subprocess.run(command, env=environment(), capture_output=True, text=True)
    if done.returncode not in (0, 1):  # 1: some stages failed, which is a result
        sys.exit(f"bench_cells.py: {' '.join(command)}: exit status {done.returncode}\n{done.stderr}")
    return cores * (time.time() - started)


def part_of(text, data):
    """The grid with its last variety, one pair, one seed."""
    tasks = re.findall(r"^ {4}(\w+):\n", text[text.index("  tasks:"):], re.MULTILINE)
    for key, value in (("variety", None), ("pair", f"[[{tasks[0]}, {tasks[1]}]]"), ("seed", "1")):
        found = re.search(rf"^( *{key}:) *(.*)$", text[text.index("axes:"):], re.MULTILINE)
        if not found:
            sys.exit(f"bench_cells.py: the sweep has no axis {key} on a line of its own")
        if value is None:
            value = "[" + found[2].strip("[] ").split(",")[-1].strip() + "]"
        at = text.index("axes:")
        text = text[:at] + text[at:].replace(found[0], f"{found[1]} {value}", 1)
    return text.replace("${PALIMPSEST_DATA}", data)


class Results:
    def __init__(self, path):
        import h5py
        self.file = h5py.File(path)
        strings = lambda name: [label.decode() for label in self.file[name][()]]
        self.sizes, self.domains = strings("size"), strings("domain")
        self.amounts, self.varieties = (self.labels(name) for name in ("tokens", "variety"))
        self.seeds = self.labels("seed")
        self.pairs = list(zip(strings("pair_first"), strings("pair_second")))

    def labels(self, name):
        return [value.decode() if isinstance(value, bytes) else int(value) for value in self.file[name][()]]

    def cells(self):
        read = self.file["domain_read"][()]
        return [{"index": (s, t, v, p, k), "size": size, "tokens": tokens, "pair": pair, "seed": seed,
                 "domains": [name for d, name in enumerate(self.domains) if read[v, k, d]]}
                for s, size in enumerate(self.sizes) for t, tokens in enumerate(self.amounts)
                for v in range(len(self.varieties)) for p, pair in enumerate(self.pairs)
                for k, seed in enumerate(self.seeds)]

    def losses(self, stage):
        """[size, tokens, variety, (pair,) seed]: the mean over domains."""
        return self.file[f"{stage}_lm_loss"][()].mean(axis=-1)

    def loss(self, stage, index):
        size, tokens, variety, pair, seed = index
        if stage == "pretrained":
            return float(self.losses(stage)[size, tokens, variety, seed])
        return float(self.losses(stage)[index])

    def between_seeds(self, stage):
        """Differences of every two seeds that read the same domains, those of the largest variety."""
        values = self.losses(stage)[:, :, -1]
        return [float(difference) for one, other in itertools.combinations(range(values.shape[-1]), 2)
                for difference in (values[..., one] - values[..., other]).ravel()]


# ---- the three ways ----

def peer(given, folder, sweep_path, cells):
    """Seconds and losses of the cells that were run."""
    log, commands = os.path.join(folder, "joblog"), os.path.join(folder, "cells")
    with open(commands, "w", encoding="utf-8") as file:
        for cell in cells:
            file.write(json.dumps(cell) + "\n")
    done = subprocess.run(["parallel", "--keep-order", "-j", str(given.cores), "--joblog", log, sys.executable,
                           os.path.join(TOOLS, "bench_cells.py"), "-", "--sweep", sweep_path, "--cache",
                           os.path.join(folder, "tokens"), "--cell", "{}", "::::", commands],
                          env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench_cells.py: a cell failed in PyTorch\n{done.stderr}")
    seconds = {}
    with open(log, encoding="utf-8") as file:
        for line in file.readlines()[1:]:
            fields = line.split("\t")
            seconds[int(fields[0]) - 1] = float(fields[3])
    return [seconds[i] for i in range(len(cells))], [json.loads(line) for line in done.stdout.splitlines()]


def sample_of(cells, count):
    sizes = sorted({cell["size"] for cell in cells})
    draw = random.Random(1)
    chosen = []
    for size in sizes:
        own = [cell for cell in cells if cell["size"] == size]
        chosen += draw.sample(own, min(len(own), max(1, count // len(sizes))))
    return chosen


def extrapolate(costs, cells, sampled, seconds):
    total = 0
    for size in {cell["size"] for cell in cells}:
        of_size = [(costs.of(cell), taken) for cell, taken in zip(sampled, seconds) if cell["size"] == size]
        rate = sum(flops for flops, _ in of_size) / sum(taken for _, taken in of_size)
        total += sum(costs.of(cell) for cell in cells if cell["size"] == size) / rate
    return total


def differences_of(stage, results, sampled, found):
    """PyTorch's loss minus palimpsest's, each model once: cells share what was pretrained."""
    known = {}
    for cell, losses in zip(sampled, found):
        size, tokens, variety, pair, seed = cell["index"]
        model = (size, tokens, variety, seed) if stage == "pretrained" else tuple(cell["index"])
        known[model] = losses[stage] - results.loss(stage, tuple(cell["index"]))
    return list(known.values())


def agreement(differences, between_seeds):
    """p values of: they are no larger than those between seeds; they lean to neither side."""
    from scipy import stats
    larger = stats.mannwhitneyu([abs(d) for d in differences], [abs(d) for d in between_seeds], alternative="greater")
    return float(larger.pvalue), float(stats.wilcoxon(differences).pvalue)


def compare_losses(results, sampled, found):
    agree = True
    print(f"{'LM loss, nats per token':26} {'PyTorch - palimpsest: median':>28} {'largest':>8} {'larger than seeds: p':>21} "
          f"{'leaning: p':>10}")
    for stage in ("pretrained", "second"):
        differences = differences_of(stage, results, sampled, found)
        larger, leaning = agreement(differences, results.between_seeds(stage))
        print(f"{stage:26} {statistics.median(differences):28.4f} {max(differences, key=abs):8.4f} {larger:21.3f} {leaning:10.3f}")
        agree = agree and min(larger, leaning) >= LEAST_P
    print("losses agree as one seed with another" if agree else "LOSSES DO NOT AGREE")
    return agree


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="build/palimpsest")
    parser.add_argument("--sweep", default=os.path.join(os.path.dirname(TOOLS), "sweeps/cells.yaml"))
    parser.add_argument("--data", default=os.environ.get("PALIMPSEST_DATA"), help="default: PALIMPSEST_DATA")
    parser.add_argument("--sample", type=int, default=12, help="cells that are run in PyTorch (default 12)")
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="default: all")
    parser.add_argument("--json", help="also write the figures there")
    parser.add_argument("--cell", type=json.loads, help=argparse.SUPPRESS)
    parser.add_argument("--cache", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.cell and not given.data:
        parser.error("--data or PALIMPSEST_DATA must name the data folder")
    return given


def main():
    given = arguments()
    import yaml
    with open(given.sweep, encoding="utf-8") as file:
        text = file.read()
    sweep = yaml.safe_load(text)
    if given.cell:
        run_cell(sweep, given.cache, given.cell)
        return 0
    os.environ["PALIMPSEST_DATA"] = given.data = os.path.abspath(given.data)
    program = os.path.abspath(given.program)
    with tempfile.TemporaryDirectory() as folder:
        in_folder = lambda name: os.path.join(folder, name)
        costs = Costs(sweep, *prepare(sweep, given.data, in_folder("tokens")))
        with open(in_folder("part.yaml"), "w", encoding="utf-8") as file:
            file.write(part_of(text, given.data))
        plan, part = plan_of(program, given.sweep), plan_of(program, in_folder("part.yaml"))
        shared = run_sweep(program, given.sweep, in_folder("shared.h5"), given.cores)
        part_seconds = run_sweep(program, in_folder("part.yaml"), in_folder("alone.h5"), given.cores, "--no-sharing")
        alone = part_seconds * plan["flops_cell_by_cell"] / part["flops_cell_by_cell"]
        results = Results(in_folder("shared.h5"))
        cells = results.cells()
        sampled = sample_of(cells, given.sample)
        seconds, found = peer(given, folder, given.sweep, sampled)
        torch_seconds = extrapolate(costs, cells, sampled, seconds)
        print(f"{len(cells)} cells; core-seconds with start and end of every program\n")
        print(f"{'way':34} {'core-seconds':>14} {'cells per core-hour':>20} {'ratio':>7}")
        ways = {f"PyTorch, {len(sampled)} cells run": torch_seconds, f"no sharing, {part['cells']} cells run": alone,
                "palimpsest": shared}
        for name, taken in ways.items():
            print(f"{name:34} {taken:14.1f} {3600 * len(cells) / taken:20.1f} {torch_seconds / taken:7.2f}")
        print("where only some cells were run, the rest is extrapolated by FLOPs\n")
        agree = compare_losses(results, sampled, found)
    if given.json:
        with open(given.json, "w", encoding="utf-8") as file:
            json.dump({"cells": len(cells), "core_seconds": ways, "losses_agree": agree, "sampled": [
                {**cell, "seconds": taken, **losses} for cell, taken, losses in zip(sampled, seconds, found)]}, file,
                indent=2)
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())

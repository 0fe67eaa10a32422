#!/usr/bin/python3
"""Keeps the measured tables of README.md: made from what the benchmarks wrote, never by hand.

    tools/bench_readme.py FOLDER     takes the figures that tools/bench_all left in FOLDER into tools/figures.json, and
                                     README.md from there
    tools/bench_readme.py            README.md from tools/figures.json
    tools/bench_readme.py --check    writes nothing; exit status 1 when README.md is not what the figures give

Of each file figures.json keeps what the tables need, in the file's own layout, and the day it was written.  A figure that
was not measured is named under the tables; a file that is not what its benchmark writes is refused (exit status 2).
"""
import argparse
import json
import math
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- speed: begin, kept by tools/bench_readme.py -->", "<!-- speed: end -->"
COLUMNS = 125
MEBI = 2**20


class Refused(Exception):
    pass


# ---- what the files must hold ----

def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


ROLES = {"alone": "a single rank", "works": "a rank that works", "coordinates": "rank 0 of several"}
TEXT = ("a text", lambda value: isinstance(value, str) and value != "")
SWITCH = ("true or false", lambda value: isinstance(value, bool))
WHOLE = ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0)
NUMBER = ("a number of 0 or more", lambda value: is_number(value) and value >= 0)
POSITIVE = ("a number above 0", lambda value: is_number(value) and value > 0)
MAYBE = ("a text or null", lambda value: value is None or TEXT[1](value))
ROLE = (f"one of {', '.join(ROLES)}", lambda value: isinstance(value, str) and value in ROLES)

SHAPE = {name: WHOLE for name in ("layers", "width", "heads", "context", "batch", "vocabulary")}
SPREAD = {"median": POSITIVE, "least": POSITIVE, "most": POSITIVE}
TRAIN = {"machine": {"threads": WHOLE, "vectors": TEXT},
         "shapes": [{**SHAPE, "step": {"seconds": POSITIVE, "flops": POSITIVE}, "limit_flops_per_second": POSITIVE}]}
SCHEDULE = {"ranks": WHOLE, "stages": WHOLE, "stage_seconds": NUMBER, "seconds": POSITIVE, "stages_per_second": POSITIVE,
            "rank_0_cpu_seconds": NUMBER, "workers_busy": NUMBER}
FORMS = {  # {TEXT: form} holds any names; [form] any number of entries
    "machine": {"processor": TEXT, "cores": WHOLE, "palimpsest": TEXT, "compiler": TEXT, "libraries": TEXT,
                "numerics": TEXT, "short": SWITCH},
    "train": TRAIN,
    "threads": TRAIN,
    "peer": {"theirs": TEXT, "shapes": [{**SHAPE, "flops": POSITIVE, "ours_flops_per_second": {"median": POSITIVE},
                                         "theirs_flops_per_second": {"median": POSITIVE}, "ratio": SPREAD,
                                         "limit_flops_per_second": POSITIVE}]},
    "schedule": SCHEDULE,
    "sleep": SCHEDULE,
    "crowd": SCHEDULE,
    "plan": {"stages": WHOLE, "seconds": SPREAD, "peak_bytes": POSITIVE},
    "dispatch": {"theirs": TEXT, "ranks": WHOLE, "ours_tasks_per_second": SPREAD, "theirs_tasks_per_second": SPREAD,
                 "ratio": SPREAD},
    "simulate": {"stages": WHOLE, "simulated": [{"ranks": WHOLE, "order": TEXT, "predictions": MAYBE,
                                                 "makespan_over_lower_bound": POSITIVE}]},
    "cells": {"cells": WHOLE, "core_seconds": {TEXT: POSITIVE}, "losses_agree": SWITCH},
    "memory": [{"shape": TEXT, "role": ROLE, "taken_bytes": POSITIVE, "promised_bytes": POSITIVE}],
}
SHOWS = {  # by file, what is missing without it
    "train": "the training step (`bench train`)",
    "threads": "the training step on several threads (`bench train --threads-per-rank`)",
    "peer": "the training step beside PyTorch (`tools/bench_peer.py`)",
    "schedule": "stages per second (`bench schedule`)",
    "sleep": "how busy ranks are (`bench schedule --stage-seconds`)",
    "crowd": "rank 0 of 65 (`bench schedule --stage-seconds`)",
    "plan": "a plan of a million stages (`tools/bench_plan.py`)",
    "dispatch": "tasks per second beside mpi4py (`tools/bench_dispatch.py`)",
    "simulate": "the order of work (`bench simulate`)",
    "cells": "cells per core-hour (`tools/bench_cells.py`)",
    "memory": "memory (`tools/bench_memory.py`)",
}


def fit(form, value, where):
    """What the form asks of value, rounded; where: named in a refusal."""
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            raise Refused(f"{where} should be a list with entries")
        return [fit(form[0], entry, f"{where}[{i}]") for i, entry in enumerate(value)]
    if isinstance(form, dict):
        if not isinstance(value, dict) or not value:
            raise Refused(f"{where} should be an object with members")
        if TEXT in form:
            return {key: fit(form[TEXT], entry, f"{where}.{key}") for key, entry in value.items()}
        for key in form:
            if key not in value:
                raise Refused(f"{where}.{key} is missing")
        return {key: fit(entry, value[key], f"{where}.{key}") for key, entry in form.items()}
    words, is_right = form
    if not is_right(value):
        raise Refused(f"{where} should be {words} and is {json.dumps(value)}")
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # of JSON or of UTF-8
        raise Refused(f"{path}: {error}") from None


def read_folder(folder):
    """The figures of a folder, without those whose file is not there."""
    if not (folder / "machine.json").exists():
        raise Refused(f"{folder}: has no machine.json, which tools/bench_all writes; figures without their machine say "
                      "nothing")
    figures, days = {}, {}
    for name, form in FORMS.items():
        path = folder / f"{name}.json"
        if not path.exists():
            continue
        figures[name] = fit(form, read_json(path), f"{path}: {name}")
        if name != "machine":
            days[name] = time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))
    if not days:
        raise Refused(f"{folder}: holds no figures; measure with tools/bench_all")
    if figures["machine"]["short"]:
        raise Refused(f"{folder}: was measured with --short, which is for trying; README.md holds whole runs only")
    return {"measured": days, **figures}


def read_figures(path):
    """None: nothing was measured yet."""
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, dict) or set(found) - set(FORMS) - {"measured"}:
        raise Refused(f"{path}: is not what tools/bench_readme.py writes; make it again from a folder of tools/bench_all")
    named = [name for name in FORMS if name in found or name == "machine"]
    form = {"measured": {name: TEXT for name in named if name != "machine"}, **{name: FORMS[name] for name in named}}
    return fit(form, found, f"{path}: figures")


# ---- the section ----

def wrap(text):
    """Lines of a paragraph."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + 1 + len(word) > COLUMNS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]


def table(head, rows):
    return ["| " + " | ".join(cells) + " |" for cells in [head, ["---"] * len(head), *rows]]


def three_digits(value):
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}"


def by_shape(found):
    return {tuple(entry[name] for name in SHAPE): entry for entry in found["shapes"]} if found else {}


def train_row(shape, peer, train, threads):
    """ms, GFLOP/s, share of the limit, PyTorch's GFLOP/s, the ratio, by how much threads make it faster.  Ours is measured
    in turns with PyTorch where that was done."""
    theirs, ratio, faster = "–", "–", "–"
    if shape in peer:
        entry = peer[shape]
        flops, speed = entry["flops"], entry["ours_flops_per_second"]["median"]
        theirs = f"{entry['theirs_flops_per_second']['median'] / 1e9:.1f}"
        ratio = "**{median:.2f}** ({least:.2f}–{most:.2f})".format(**entry["ratio"])
    else:
        entry = train[shape]
        flops, speed = entry["step"]["flops"], entry["step"]["flops"] / entry["step"]["seconds"]
    if shape in threads and shape in train:
        faster = f"{train[shape]['step']['seconds'] / threads[shape]['step']['seconds']:.2f}"
    return [" ".join(map(str, shape)), f"{three_digits(1e3 * flops / speed)} ms", f"{speed / 1e9:.1f}",
            f"{100 * speed / entry['limit_flops_per_second']:.0f} %", theirs, ratio, faster]


def train_part(figures):
    peer, train, threads = (by_shape(figures.get(name)) for name in ("peer", "train", "threads"))
    shapes = list(peer) + [shape for shape in train if shape not in peer]
    if not shapes:
        return []
    count = figures["threads"]["machine"]["threads"] if threads else None
    text = "**A training step** on one core: forward, backward, clipping, AdamW. A shape is blocks, channels, heads, context, " \
           "batch, words; the limit is what the multiply-add units of the core did in registers in the same run"
    text += f" ({figures['train']['machine']['vectors']})." if train else "."
    if peer:
        text += " PyTorch took the same step on the same core, in turns; the ratio is a median, with its range."
    head = ["shape", "a step", "GFLOP/s", "of the limit", "PyTorch", "times PyTorch", f"{count} threads"]
    if threads:
        text += f" The last column: how many times faster {count} threads are than one."
    measured = [True] * 4 + [bool(peer)] * 2 + [bool(threads)]
    head, *rows = ([cell for cell, kept in zip(row, measured) if kept]
                   for row in [head, *(train_row(shape, peer, train, threads) for shape in shapes)])
    return [*wrap(text), "", *table(head, rows), ""]


def schedule_part(figures):
    rows = []
    if "schedule" in figures:
        found = figures["schedule"]
        rows.append([f"stages that do nothing, through {found['ranks']} ranks, each row on the disk",
                     f"{found['stages_per_second']:,.0f} a second"])
    for name in ("sleep", "crowd"):
        if name in figures:
            found = figures[name]
            of_stages = f"with {found['stages']:,} stages of {found['stage_seconds']:g} s on {found['ranks']} ranks"
            if name == "sleep":
                rows.append([f"ranks in a stage, {of_stages}", f"{100 * found['workers_busy']:.1f} % of the time"])
            rows.append([f"rank 0, {of_stages}", f"{100 * found['rank_0_cpu_seconds'] / found['seconds']:.2f} % of a core"])
    if "plan" in figures:
        found = figures["plan"]
        rows.append([f"a plan of {found['stages']:,} stages",
                     "{median:.1f} s ({least:.1f}–{most:.1f}), {0:.0f} MiB".format(found["peak_bytes"] / MEBI,
                                                                                **found["seconds"])])
    if "dispatch" in figures:
        found = figures["dispatch"]
        rows.append([f"in turns with {found['theirs']}, which keeps nothing, on {found['ranks']} ranks",
                     "{:,.0f} a second, theirs {:,.0f}; ratio {median:.2f} ({least:.2f}–{most:.2f})".format(
                         found["ours_tasks_per_second"]["median"], found["theirs_tasks_per_second"]["median"],
                         **found["ratio"])])
    if not rows:
        return []
    return ["**The scheduler**, with a real results file:", "", *table(["measure", "figure"], rows), ""]


def simulate_part(figures):
    if "simulate" not in figures:
        return []
    found = figures["simulate"]["simulated"]
    name = lambda entry: entry["order"] + (f", {entry['predictions']}" if entry["predictions"] else "")
    columns = list(dict.fromkeys(map(name, found)))
    cell = {(entry["ranks"], name(entry)): f"{entry['makespan_over_lower_bound']:.3f}" for entry in found}
    rows = [[f"{ranks:,}", *(cell.get((ranks, column), "–") for column in columns)]
            for ranks in dict.fromkeys(entry["ranks"] for entry in found)]
    text = f"**The order of work** in virtual time: makespan over the larger of critical path and work / ranks, for a grid of " \
           f"{figures['simulate']['stages']:,} stages; critical path with true predictions, and with errors."
    return [*wrap(text), "", *table(["ranks", *columns], rows), ""]


def cells_part(figures):
    if "cells" not in figures:
        return []
    found = figures["cells"]
    slowest = next(iter(found["core_seconds"].values()))
    rows = [[way, f"{3600 * found['cells'] / seconds:,.1f}", f"{slowest / seconds:.1f}"]
            for way, seconds in found["core_seconds"].items()]
    agree = "losses agree as one seed does with another" if found["losses_agree"] else "**losses do not agree**"
    text = f"**Cells per core-hour** on the {found['cells']} cells of `sweeps/cells.yaml`, start and end of every program " \
           f"included; where only some cells were run, the rest is extrapolated by FLOPs; {agree}."
    return [*wrap(text), "", *table(["way", "cells per core-hour", "times the first"], rows), ""]


def memory_cell(entries, shape, role):
    found = [entry for entry in entries if entry["shape"] == shape and entry["role"] == role]
    if not found:
        return "–"
    entry = max(found, key=lambda entry: entry["taken_bytes"])
    promised, taken = entry["promised_bytes"], entry["taken_bytes"]
    return f"{taken / MEBI:.0f} of {promised / MEBI:.0f} MiB ({100 * (taken / promised - 1):+.0f} %)"


def memory_part(figures):
    if "memory" not in figures:
        return []
    entries = figures["memory"]
    rows = [[shape.replace("-", " "), *(memory_cell(entries, shape, role) for role in ROLES)]
            for shape in dict.fromkeys(entry["shape"] for entry in entries)]
    text = "**Memory** at most taken, of what `plan` promises; of ranks of one kind the one that took most. Shape: blocks, " \
           "channels, heads, context, batch."
    return [*wrap(text), "", *table(["shape", *ROLES.values()], rows), ""]


def machine_part(figures):
    machine, days = figures["machine"], sorted(set(figures["measured"].values()))
    text = f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on {machine['processor']}, {machine['cores']} cores; " \
           f"{machine['palimpsest']}, compiled by {machine['compiler']}, with {machine['libraries']}; numerics " \
           f"{machine['numerics']}."
    if "peer" in figures:
        text += f" {figures['peer']['theirs']}."
    return [*wrap(text), ""]


def section(figures):
    if figures is None:
        missing = list(SHOWS)
        parts = []
    else:
        missing = [name for name in SHOWS if name not in figures]
        all_parts = (machine_part, train_part, schedule_part, simulate_part, cells_part, memory_part)
        parts = [line for part in all_parts for line in part(figures)]
    if missing:
        parts += [*wrap(f"Not measured: {', '.join(SHOWS[name] for name in missing)}."), ""]
    return "\n".join([BEGIN, "", *parts, END])


def put_in(text, path, made):
    """README with the section made anew."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(END) < text.index(BEGIN):
        raise Refused(f"{path}: the section should stand once between the lines {BEGIN} and {END}")
    return text[: text.index(BEGIN)] + made + text[text.index(END) + len(END):]


# ---- the files kept ----

def write(path, text):
    """Whole or not at all."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def keep(given):
    figures = read_folder(given.folder) if given.folder else read_figures(given.figures)
    before = given.readme.read_text(encoding="utf-8")
    after = put_in(before, given.readme, section(figures))
    if given.check:
        if before != after:
            print(f"{given.readme}: is not what {given.folder or given.figures} gives; run tools/bench_readme.py"
                  f"{f' {given.folder}' if given.folder else ''}", file=sys.stderr)
        return 0 if before == after else 1
    if given.folder:
        write(given.figures, json.dumps(figures, indent=1) + "\n")
    if before != after:
        write(given.readme, after)
    for name in SHOWS:
        if figures is None or name not in figures:
            print(f"not measured: {SHOWS[name]}; {name}.json is missing")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=pathlib.Path, help="of tools/bench_all")
    parser.add_argument("--check", action="store_true", help="compare only")
    parser.add_argument("--readme", type=pathlib.Path, default=ROOT / "README.md", help="default: README.md")
    parser.add_argument("--figures", type=pathlib.Path, default=ROOT / "tools" / "figures.json",
                        help="default: tools/figures.json")
    try:
        return keep(parser.parse_args())
    except (Refused, OSError) as error:
        print(f"bench_readme.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

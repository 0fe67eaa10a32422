"""bench: refusals, what bench train prints and saves, plan with its speeds, and the comparison with PyTorch."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import h5py

from tiny_sweeps import PROGRAM, ROOT, palimpsest, run_sweep, scratch_folder, sweep_text
from sentences import Skipped, run_sentences, sentence

FOLDER = scratch_folder()
SWEEP = FOLDER / "sweep.yaml"
SPEEDS = FOLDER / "speeds.json"
TINY = ("--layers", "1", "--width", "16", "--heads", "2", "--context", "16", "--batch", "16", "--vocabulary", "64",
        "--seconds", "100ms")


def refused(done, *words, status=2):
    assert done.status == status and done.out == "", done
    for word in words:
        assert str(word) in done.err, (word, done)


def measured(*options):
    done = palimpsest("bench", "train", *TINY, "--json", *options)
    assert done.status == 0 and done.err == "", done
    return json.loads(done.out)


@sentence
def without_a_benchmark_or_with_an_unknown_one_the_known_ones_are_named():
    refused(palimpsest("bench"), "which benchmark?", "bench train")
    refused(palimpsest("bench", "everything"), '"everything" is not a benchmark', "bench train")
    helped = palimpsest("bench", "--help")
    assert helped.status == 0 and "bench train" in helped.out and helped.err == "", helped
    assert "bench train" in palimpsest("--help").out


@sentence
def bench_train_has_help_and_refuses_wrong_options():
    helped = palimpsest("bench", "train", "--help")
    for name in ("layers", "width", "heads", "context", "batch", "vocabulary", "seconds", "json", "save", "numerics"):
        assert helped.status == 0 and f"--{name}" in helped.out, (name, helped)
    refused(palimpsest("bench", "train", "--colour"), "--colour", "bench train --help")
    refused(palimpsest("bench", "train", "--width", "wide"), "--width", "whole number")
    refused(palimpsest("bench", "train", "--layers", "0"), "--layers", "from 1")
    refused(palimpsest("bench", "train", "--seconds", "soon"), "--seconds", "duration")
    refused(palimpsest("bench", "train", "sweep.yaml"), "sweep.yaml", "reads no file")
    refused(palimpsest("bench", "train", "--numerics", "Abacus", *TINY), "Abacus", "lacks it")
    refused(palimpsest("bench", "train", "--json", "--width", "30"), "width of 30", "4 heads")


@sentence
def a_line_for_each_shape_says_its_speed_and_another_where_the_time_goes():
    done = palimpsest("bench", "train", *TINY)
    assert done.status == 0, done
    lines = [line for line in done.out.splitlines() if " GFLOP/s" in line]
    assert len(lines) == 1 and lines[0].split()[:6] == ["1", "16", "2", "16", "16", "64"], done.out
    assert float(lines[0].split(" GFLOP/s")[0].split()[-1]) > 0, lines
    for part in ("data", "norm", "products forward", "products backward", "attention", "GELU", "softmax and loss",
                 "clip and AdamW", "fine-tuning, batches of 16 x"):
        assert f"{part} " in done.out, (part, done.out)


@sentence
def json_holds_the_shape_its_speed_and_shares_that_add_up():
    told = measured()
    shape = told["shapes"][0]
    assert [shape[name] for name in ("layers", "width", "heads", "context", "batch", "vocabulary")] == [1, 16, 2, 16, 16, 64]
    flops = 256 * (6 * (12 * 16**2 + 64 * 16) + 12 * 16 * 16)
    on_texts = shape["finetune"]["tokens"] * (6 * 12 * 16**2 + 12 * shape["finetune"]["tokens"] / 16 * 16) / flops
    for kind, batch, factor in (("step", 16, 1), ("small_step", 2, 1 / 8), ("forward", 16, 1 / 3), ("finetune", 16, on_texts)):
        step = shape[kind]
        assert step["batch"] == batch and step["count"] >= 3 and abs(step["flops"] / (flops * factor) - 1) < 1e-9, step
        assert 0 < step["seconds_least"] <= step["seconds"] <= step["seconds_most"], step
        assert abs(step["flops_per_second"] * step["seconds"] / step["flops"] - 1) < 1e-9, step
        assert abs(step["tokens_per_second"] * step["seconds"] / step["tokens"] - 1) < 1e-9, step
    assert 0 < shape["share_of_limit"] < 1, shape
    assert 0.9 < sum(shape["share_of_step"].values()) <= 1.0001, shape["share_of_step"]
    assert 0 < shape["clock_share_of_step"] < 1, shape
    assert told["numerics_class"].startswith("OpenBLAS ") and told["machine"]["processor"] and told["machine"]["host"], told


@sentence
def the_process_is_bound_to_a_core_unless_its_caller_has_done_it():
    core = max(os.sched_getaffinity(0))
    bound = subprocess.run(["taskset", "-c", str(core), str(PROGRAM), "bench", "train", *TINY, "--json"], text=True,
                           stdout=subprocess.PIPE, check=True)
    machine = json.loads(bound.stdout)["machine"]
    assert machine["core"] == core and machine["bound_by_program"] is False, machine
    if len(os.sched_getaffinity(0)) > 1:
        assert measured()["machine"]["bound_by_program"] is True


def wait_until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def two_at_work():
    """Each on a core of its own."""
    places = [os.sched_getaffinity(process) for process in at_work()]
    return len(places) == 2 and all(len(place) == 1 for place in places) and places[0] != places[1]


def at_work():
    """Processes of bench train, as /proc tells them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:3] == [os.fsencode(PROGRAM), b"bench", b"train"]:
            found.append(int(path.parent.name))
    return found


@sentence
def others_are_at_work_while_one_of_several_ranks_is_measured_and_none_is_left_behind():
    cores = len(os.sched_getaffinity(0))
    refused(palimpsest("bench", "train", *TINY, "--ranks", str(cores + 1)), "--ranks", f"may use {cores} core")
    refused(palimpsest("bench", "train", *TINY, "--ranks", "none"), "--ranks", "whole number")
    if cores == 1:
        raise Skipped("one core has room for one rank")
    refused(palimpsest("bench", "train", *TINY, "--ranks", "2", "--threads-per-rank", "2"), "leave out one")
    command = [str(PROGRAM), "bench", "train", *TINY[:-1], "5s", "--json", "--ranks", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_until(two_at_work)
    told = json.loads(running.communicate()[0])
    assert running.returncode == 0 and told["machine"]["ranks"] == 2 and told["shapes"][0]["step"]["seconds"] > 0, told
    assert at_work() == []
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    wait_until(two_at_work)
    running.kill()
    running.wait()
    wait_until(lambda: at_work() == [])


@sentence
def saved_speeds_are_what_json_prints_and_plan_predicts_from_them():
    SWEEP.write_text(sweep_text())
    told = measured("--save", SPEEDS)
    assert json.loads(SPEEDS.read_text()) == told
    for shape in told["shapes"]:  # whatever ran beside this test
        shape["step"]["seconds_least"] = shape["step"]["seconds"]
    SPEEDS.write_text(json.dumps(told))
    disturbed = [{**shape, "step": {**shape["step"], "seconds_least": shape["step"]["seconds"] / 2}} for shape in told["shapes"]]
    assumed = json.loads(palimpsest("plan", SWEEP, "--json").out)
    done = palimpsest("plan", SWEEP, "--json", "--speed-from", SPEEDS)
    assert done.status == 0 and done.err == "", done
    plan = json.loads(done.out)
    assert assumed["speed_is_assumed"] is True and plan["speed_is_assumed"] is False
    assert plan["makespan_seconds"] != assumed["makespan_seconds"]
    assert "at the speeds of that file" in palimpsest("plan", SWEEP, "--speed-from", SPEEDS).out
    for change, words in ((("machine", {**told["machine"], "threads": 2}), "was measured with --threads-per-rank 2; this is the plan of 1"),
                          (("shapes", disturbed), "a median step in it takes 2.0 times the fastest"),
                          (("shapes", [{**shape, "width": 1024} for shape in told["shapes"]]), "narrower or wider than those measured")):
        other = FOLDER / "unlike.json"
        other.write_text(json.dumps({**told, change[0]: change[1]}))
        done = palimpsest("plan", SWEEP, "--speed-from", other)
        assert done.status == 0 and done.err.count("warning") == 1 and words in done.err, done
    # Fine-tuning is told from pretraining: each alone may be slower, and a sweep of both takes longer for each.
    for kinds in (("finetune",), ("step", "small_step")):
        partly = FOLDER / "partly.json"
        partly.write_text(json.dumps({**told, "shapes": [{**shape, **{kind: {**shape[kind], "seconds": 10 * shape[kind]["seconds"]}
                                                                       for kind in kinds}} for shape in told["shapes"]]}))
        longer = json.loads(palimpsest("plan", SWEEP, "--json", "--speed-from", partly).out)["makespan_seconds"]
        assert 1.05 < longer / plan["makespan_seconds"] < 9, (kinds, longer, plan)
    # A machine ten times slower takes ten times longer, but for what a stage costs beside its training.
    for shape in told["shapes"]:
        for kind in ("step", "small_step", "forward", "finetune"):
            shape[kind]["seconds"] *= 10
    slow = FOLDER / "slow.json"
    slow.write_text(json.dumps(told))
    slower = json.loads(palimpsest("plan", SWEEP, "--json", "--speed-from", slow).out)
    overhead = 5e-3 * plan["stages"]
    assert abs((slower["makespan_seconds"] - overhead) / (plan["makespan_seconds"] - overhead) / 10 - 1) < 1e-6, (slower, plan)
    for shape in told["shapes"]:
        for kind in ("step", "small_step", "forward", "finetune"):
            shape[kind]["seconds"] *= 1e290
    slow.write_text(json.dumps(told))
    slowest = palimpsest("plan", SWEEP, "--speed-from", slow).out
    assert re.search(r"predicted makespan +\S+ years on 1 rank; lower bound \S+ years \(.*: [1-9]\S+ FLOP/s per rank", slowest), slowest
    assert palimpsest("bench", "train", *TINY, "--save", SPEEDS).status == 0, "speeds may be saved over speeds"
    SPEEDS.write_text('{"palimpsest_speeds": 1}')
    assert palimpsest("bench", "train", *TINY, "--save", SPEEDS).status == 0, "and over those of an earlier version"


@sentence
def the_shapes_of_a_sweep_are_measured_each_once():
    SWEEP.write_text(sweep_text())
    done = palimpsest("bench", "train", "--sweep", SWEEP, "--seconds", "50ms", "--json")
    assert done.status == 0 and done.err == "", done
    shapes = [tuple(s[key] for key in ("layers", "width", "heads", "context", "batch")) for s in json.loads(done.out)["shapes"]]
    assert shapes == [(1, 16, 2, 32, 8), (2, 16, 2, 32, 8)], shapes
    texts = [s["finetune"] for s in json.loads(done.out)["shapes"]]  # of the lengths that the tasks of the grammar have
    assert all(t["batch"] == 8 and 13 < t["tokens"] / t["batch"] < 24 for t in texts), texts
    refused(palimpsest("bench", "train", "--sweep", SWEEP, "--width", "64"), "--sweep", "leave out")
    refused(palimpsest("bench", "train", "--sweep", FOLDER / "none.yaml"), "none.yaml", status=3)
    many = FOLDER / "many.yaml"
    sizes = "".join(f"    s{n}: {{layers: 1, width: {4 * n}, heads: 2}}\n" for n in range(1, 66))
    text = sweep_text(size="[" + ", ".join(f"s{n}" for n in range(1, 66)) + "]", tokens="[2Ki]", variety="[1]", seed=1)
    many.write_text("".join(line + sizes if line.startswith("  sizes:") else line for line in text.splitlines(True)
                            if not line.startswith(("    nano:", "    micro:"))))
    refused(palimpsest("bench", "train", "--sweep", many), "more than 64 shapes")


@sentence
def a_warning_tells_of_speeds_of_another_numerics_class():
    told = {**measured(), "numerics_class": "OpenBLAS 0.0 Abacus"}
    other = FOLDER / "other.json"
    other.write_text(json.dumps(told))
    done = palimpsest("plan", SWEEP, "--speed-from", other)
    assert done.status == 0 and "OpenBLAS 0.0 Abacus" in done.err, done


@sentence
def speeds_that_cannot_be_used_are_refused_with_their_place_and_a_remedy():
    good = measured()
    step = {"flops": 1.0, "seconds": 1.0}
    shape = {"width": 16, "parameters": 1.0, "step": step, "small_step": step, "forward": step, "finetune": step}
    cases = [
        ('{"palimpsest_speeds": 2,\n "shapes": [}', ":2:", "measure again"),
        ('{"palimpsest_speeds": 1}', "this version", "bench train --save"),
        ("{}", "this version", "bench train --save"),
        (json.dumps(good, indent=2)[:400], ": the file ends here and was cut short; measure again"),
        (json.dumps({**good, "shapes": []}), '"shapes" is missing', "measure again"),
        (json.dumps({key: good[key] for key in good if key != "numerics_class"}), "numerics_class", "measure again"),
    ]
    for wrong, words in (({**shape, "width": 0}, "shapes[1].width is not"), ({**shape, "width": 1.5}, "1.5 is not a width"),
                         ({**shape, "parameters": "many"}, "shapes[1].parameters is not"),
                         ({**shape, "forward": {"flops": 1.0}}, "shapes[1].forward.seconds is missing"),
                         ({**shape, "step": {"flops": -1.0, "seconds": 1.0}}, "shapes[1].step.flops is not"),
                         ({**shape, "small_step": 3}, "shapes[1].small_step.flops is missing"), (7, "shapes[1].width")):
        cases.append((json.dumps({**good, "shapes": [shape, wrong]}), words, ""))
    bad = FOLDER / "bad.json"
    for text, *words in cases:
        bad.write_text(text)
        refused(palimpsest("plan", SWEEP, "--speed-from", bad), bad, *words)
    refused(palimpsest("plan", SWEEP, "--speed-from", FOLDER / "none.json"), "none.json", status=3)
    for text in ("speeds: fast\n", "", "\x89HDF"):
        bad.write_text(text)
        refused(palimpsest("plan", SWEEP, "--speed-from", bad), bad, "a results file, or what `bench train --save` wrote")


@sentence
def nothing_else_is_written_over_and_a_missing_folder_is_told_before_anything_is_measured():
    kept = FOLDER / "kept.txt"
    for text in ("mine", '{"mine": 1}'):
        kept.write_text(text)
        refused(palimpsest("bench", "train", *TINY, "--save", kept), kept, "holds no speeds")
        assert kept.read_text() == text
    refused(palimpsest("bench", "train", "--save", FOLDER / "nowhere" / "speeds.json"), "there is no folder")


@sentence
def what_cannot_be_measured_is_refused_before_a_head_is_printed():
    for options, *words in ((("--width", "17", "--heads", "2"), "17", "2 heads"), (("--save", ""), "--save: the value is empty"),
                            (("--width", "16384", "--layers", "64", "--batch", "65536"), "GiB")):
        done = palimpsest("bench", "train", *options)
        refused(done, *words)
        assert done.out == "", done


@sentence
def what_stages_took_in_an_earlier_run_of_the_sweep_is_what_plan_predicts():
    results = run_sweep(FOLDER, "earlier", sweep_text(size="[micro]", tokens="[128Ki]", variety="[1]", seed=1))
    predicted = []
    for factor in (1, 1000):
        with h5py.File(results, "r+") as file:
            rows = file["provenance/stage"][()]
            rows["seconds"] *= factor
            file["provenance/stage"][...] = rows
        done = palimpsest("plan", SWEEP, "--json", "--speed-from", results)
        assert done.status == 0 and done.err == "", done
        predicted.append(json.loads(done.out)["makespan_seconds"])
    seconds = rows["seconds"].sum()
    assert abs(predicted[1] / predicted[0] / 1000 - 1) < 1e-6, predicted
    # Stages of one class count by their median, and one rank has nothing to wait for.
    assert 0.5 < predicted[1] / seconds < 2, (predicted, seconds)


@sentence
def the_comparison_with_pytorch_prints_the_ratio():
    if subprocess.run([sys.executable, "-c", "import torch"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skipped("no PyTorch here")
    command = [sys.executable, "-B", str(ROOT / "tools" / "bench_peer.py"), str(PROGRAM), "--shape", "1,16,2,16,4,64", "--rounds", "2",
               "--seconds", "0.1"]
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run([*command, "--json"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout)
    shape = told["shapes"][0]
    assert told["removed_from_environment"] == ["OPENBLAS_CORETYPE"] and told["kept_in_environment"] == []
    assert told["ours"].startswith("OpenBLAS") and told["theirs"].startswith("PyTorch"), told
    assert 0 < shape["ratio"]["least"] <= shape["ratio"]["median"] <= shape["ratio"]["most"], shape
    assert shape["flops"] == 64 * (6 * (12 * 16**2 + 64 * 16) + 12 * 16 * 16), shape
    printed = subprocess.run([*command, "--keep-environment"], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert "OPENBLAS_CORETYPE=Haswell" in printed.stdout and "ratio" in printed.stdout, printed.stdout


@sentence
def the_comparison_refuses_what_it_cannot_measure():
    tool = [sys.executable, "-B", str(ROOT / "tools" / "bench_peer.py")]
    for wrong in ([], ["/nowhere/palimpsest"], [str(PROGRAM), "--shape", "1,2,3"], [str(PROGRAM), "--shape", "1,30,4,8,8,8"],
                  [str(PROGRAM), "--rounds", "0"], [str(PROGRAM), "--seconds", "x"], [str(PROGRAM), "--core", "99999"]):
        done = subprocess.run([*tool, *wrong], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2 and done.stdout == "" and "usage:" in done.stderr, (wrong, done)


if __name__ == "__main__":
    run_sentences()

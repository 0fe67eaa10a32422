"""The instruments that look at a training on its way, and those that train beside it: the same numbers however the sweep is
carried out, in both worlds and for both objectives; what they say of themselves, and what they cost."""

import json
import os
import random
import signal
import time

import h5py
import numpy
import xarray

from tiny_sweeps import (dimensions, expect_equal, found, palimpsest, run_sweep, scratch_folder, start, status_of,
                         sweep_text, variable)
from sentences import run_sentences, sentence

FOLDER = scratch_folder()
ON = "measure: [frontier, recovery]\nrecovery: {steps: 10, learning_rate: 2e-3, within: 0.2}\nfrontier: {success: 0.2}\n"
LOOKS = 9


def text(instruments=ON, objectives="[causal, masked]", **changes):
    small = {"size": "[nano]", "tokens": "[0, 2Ki]", "variety": "[2]", "seed": 1, **changes}
    plain = sweep_text(**small).replace("measure: [curves]\n", instruments)
    return plain.replace("axes:\n", f"axes:\n  model.objective: {objectives}\n")


ALONE = run_sweep(FOLDER, "alone", text())


def same_on(ranks, *options):
    expect_equal(ALONE, run_sweep(FOLDER, f"ranks {ranks} {' '.join(options)}", text(), *options, ranks=ranks))


@sentence
def any_number_of_ranks_gives_the_same_file():
    for ranks in (1, 2, 3, 5):
        same_on(ranks)


@sentence
def no_sharing_gives_the_same_file():
    same_on(3, "--no-sharing")


@sentence
def checkpoints_on_the_way_of_every_stage_and_kills_leave_the_same_file():
    results = FOLDER / "killed.h5"
    sweep = FOLDER / "sweep.yaml"
    sweep.write_text(text())
    for attempt in range(4):
        process = start("run", sweep, "-o", results, "--checkpoint-every", "1ms", ranks=2 + attempt % 2)
        time.sleep(0.6 + 0.2 * attempt)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    done = palimpsest("run", sweep, "-o", results, "--checkpoint-every", "1ms", ranks=2)
    assert done.status == 0, done
    expect_equal(ALONE, results)


@sentence
def every_other_number_is_that_of_a_sweep_without_them():
    without = run_sweep(FOLDER, "without", text("measure: []\n"))
    with h5py.File(ALONE) as on, h5py.File(without) as off:
        names, more = ({name for name in file if isinstance(file[name], h5py.Dataset)} for file in (off, on))
        assert len(names) > 30 and names < more, names - more
        for name in names:
            numpy.testing.assert_array_equal(on[name][()], off[name][()], name)  # equal where both are missing, too
        for name in more - names - {"progress"}:
            assert any(word in name for word in ("frontier", "recovery", "savings", "equal_success", "status_")), name


@sentence
def states_that_were_not_looked_at_are_trained_again_and_pretraining_is_not():
    old = run_sweep(FOLDER, "old", text("measure: []\n"), "--keep", "all")
    sweep, results = FOLDER / "sweep.yaml", FOLDER / "reusing.h5"
    sweep.write_text(text())
    done = palimpsest("run", sweep, "-o", results, "--reuse", old)
    assert done.status == 0, done
    expect_equal(ALONE, results)
    pretraining = 2 * 8  # steps for 2Ki tokens, two objectives
    assert found(status_of(results), "steps_executed") == found(status_of(ALONE), "steps_executed") - pretraining


@sentence
def looks_are_a_dimension_with_the_share_of_the_steps_as_its_coordinate():
    shares = (numpy.arange(LOOKS) / (LOOKS - 1)) ** 2
    axes = ["model_objective", "size", "tokens", "variety", "pair", "seed"]
    assert dimensions(ALONE, "second_frontier_accuracy_first") == [*axes, "progress"]
    assert dimensions(ALONE, "relearnt_recovery_accuracy") == [*axes, "progress"]
    assert dimensions(ALONE, "after_last_recovery_steps") == axes
    assert dimensions(ALONE, "after_first_recovery_lm_loss") == ["task" if axis == "pair" else axis for axis in axes] + ["progress"]
    for engine in ("h5netcdf", "netcdf4"):
        with xarray.open_dataset(ALONE, engine=engine) as data:
            assert numpy.array_equal(data.progress.values, shares)
            assert (data.second_frontier_looks == [0, 1, 2, 3, 4, 5, 7, 9, 12]).all()  # of 12 steps
            assert (data.second_frontier_accuracy_second.isel(progress=-1) == data.second_accuracy_second).all()
            assert (data.second_frontier_accuracy_first.isel(progress=0) == data.first_accuracy.sel(task=data.pair_first)).all()
            assert {"units", "formula", "source"} <= set(data.relearnt_savings.attrs)
            for name in ("forgetting_equal_success", "lm_rise_equal_success", "frontier_steps", "relearnt_head_savings",
                         "after_first_recovery_censored", "relearnt_recovery_loss", "first_recovery_steps"):
                assert data[name].attrs["formula"], name


@sentence
def what_they_cost_is_in_the_plan():
    sweep = FOLDER / "sweep.yaml"
    flops, steps = [], []
    for instruments in ("measure: []\n", "measure: [frontier]\n", "measure: [recovery]\nrecovery: {steps: 10}\n",
                        "measure: [recovery]\nrecovery: {steps: 20}\n"):
        sweep.write_text(text(instruments))
        done = palimpsest("plan", sweep, "--json")
        assert done.status == 0, done
        plan = json.loads(done.out)
        flops.append(found(plan, "flops_tree"))
        steps.append(found(plan, "steps_tree"))
    assert flops[0] < flops[1] and flops[0] < flops[2] < flops[3], flops
    firsts = pairs = 2 * 2 * 2  # objectives, amounts, tasks or pairs
    assert steps[1] == steps[0] and steps[2] == steps[0] + firsts * 10 + pairs * (10 + 12 + 12), steps
    assert steps[3] == steps[2] + 10 * (firsts + pairs), steps
    explained = palimpsest("plan", sweep, "--explain").out
    for key in ("evaluate.looks", "frontier.success", "recovery.steps", "recovery.within"):
        assert key in explained, explained


TEXT = """\
name: text
world:
  kind: text
  corpora: {one: one.txt, two: two.txt}
  tasks: {rise: {train: rise_train.tsv, test: rise_test.tsv}, even: {train: even_train.tsv, test: even_test.tsv}}
  tokenizer: bytes
model: {context: 32, sizes: {nano: {layers: 1, width: 16, heads: 2}}}
pretrain: {batch: 4, warmup: 256}
finetune: {batch: 8, steps: 12}
evaluate: {items: 40, tokens: 256}
axes: {tokens: [0, 2Ki], variety: [1, 2], pair: all, seed: 1}
measure: [frontier, recovery]
"""


def write_text_world():
    draw = random.Random(1)
    words = "the cat saw a dog and ran home or sat on mats by rivers".split()
    for name in ("one", "two"):
        (FOLDER / f"{name}.txt").write_text("".join(" ".join(draw.choices(words, k=8)) + "\n" for _ in range(200)))
    for name in ("rise", "even"):
        for split, lines in (("train", 60), ("test", 40)):
            rows = [f"{draw.choice(('yes', 'no'))}\t{' '.join(draw.choices(words, k=4))} {i}\n" for i in range(lines)]
            (FOLDER / f"{name}_{split}.tsv").write_text("".join(rows))


@sentence
def the_text_world_recovers_too_and_must_have_the_data_for_it():
    write_text_world()
    alone = run_sweep(FOLDER, "text alone", TEXT + "recovery: {steps: 10}\n")
    expect_equal(alone, run_sweep(FOLDER, "text ranks", TEXT + "recovery: {steps: 10}\n", ranks=3))
    assert numpy.isfinite(variable(alone, "after_last_recovery_lm_loss")).all()
    assert numpy.isfinite(variable(alone, "second_frontier_accuracy_first")).all()
    sweep = FOLDER / "sweep.yaml"
    sweep.write_text(TEXT + "recovery: {steps: 400}\n")
    done = palimpsest("run", sweep, "-o", FOLDER / "too short.h5")
    assert done.status == 2 and "is read on after it by recovery" in done.err, done
    assert "sweep.yaml:11:17: axes.tokens: the amount 0 at variety 1" in done.err, done


if __name__ == "__main__":
    run_sentences()

"""Stages that do not end in one go: they go on from the middle; and one that kills its process, which must not keep the
rest from being done."""

import os
import shutil
import signal
import time

import h5py

from tiny_sweeps import (checkpoint, difference, expect_equal, found, palimpsest, run_sweep, scratch_folder, start,
                         status_of, sweep_text)
from sentences import run_sentences, sentence

FOLDER = scratch_folder()
# One long stage each: 1Mi tokens are 4,096 steps, about two seconds.
LONG = sweep_text(size="[nano]", tokens="[1Mi]", variety="[1]", seed=1)
LONG_STEPS = 4096
SWEEP = FOLDER / "sweep.yaml"


def partial_checkpoints(results):
    return list((results.parent / f"{results.stem}.stages").glob("*.part.h5"))


def steps_executed(results):
    return found(status_of(results), "steps_executed")


def wait_for(what, process, seconds=60):
    limit = time.monotonic() + seconds
    while not what():
        assert process.poll() is None and time.monotonic() < limit, f"ended ({process.poll()}) or stalled too early"
        time.sleep(0.01)


@sentence
def an_undisturbed_run_takes_no_checkpoint_on_the_way():
    results = run_sweep(FOLDER, "undisturbed", LONG)
    assert steps_executed(results) > LONG_STEPS
    assert not partial_checkpoints(results)


def goes_on(results, *options, ranks=None):
    done = palimpsest("run", SWEEP, "-o", results, *options, ranks=ranks)
    assert done.status == 0, done
    expect_equal(FOLDER / "undisturbed.h5", results)
    assert not partial_checkpoints(results), "what a stage left in the middle goes with its commit"


@sentence
def a_killed_stage_goes_on_from_its_last_checkpoint():
    for number, ranks in enumerate((None, 3)):
        results = FOLDER / f"killed {number}.h5"
        process = start("run", SWEEP, "-o", results, "--checkpoint-every", "50ms", ranks=ranks)
        wait_for(lambda: partial_checkpoints(results), process)  # pylint: disable=cell-var-from-loop
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
        goes_on(results, ranks=2)
        assert 0 < steps_executed(results) < steps_executed(FOLDER / "undisturbed.h5")


@sentence
def a_drained_stage_goes_on_from_the_step_it_had_reached():
    results = FOLDER / "drained.h5"
    process = start("run", SWEEP, "-o", results)
    wait_for(results.exists, process)
    time.sleep(0.4)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    assert len(partial_checkpoints(results)) == 1
    before = steps_executed(results)
    goes_on(results)
    assert before > 0 and before + steps_executed(results) == steps_executed(FOLDER / "undisturbed.h5")


@sentence
def a_stage_longer_than_every_time_limit_is_done_in_the_end():
    results = FOLDER / "limited.h5"
    runs = 1
    # A little longer every time: on a busy machine a short one may pass before the first step.
    while (done := palimpsest("run", SWEEP, "-o", results, "--time-limit", f"{600 + 100 * runs}ms")).status == 75:
        runs += 1
        assert runs < 60, done
    assert done.status == 0, done
    assert runs > 2, runs
    expect_equal(FOLDER / "undisturbed.h5", results)


@sentence
def a_damaged_checkpoint_of_a_stage_in_the_middle_is_named_and_not_used():
    results = FOLDER / "damaged.h5"
    process = start("run", SWEEP, "-o", results, "--checkpoint-every", "50ms")
    wait_for(lambda: partial_checkpoints(results), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)
    part = partial_checkpoints(results)[0]
    content = bytearray(part.read_bytes())
    content[len(content) * 2 // 3] ^= 4
    part.write_bytes(content)
    done = palimpsest("run", SWEEP, "-o", results)
    assert done.status == 0 and part.name in done.err, done
    expect_equal(FOLDER / "undisturbed.h5", results)


@sentence
def a_stage_that_is_computed_again_since_its_state_is_gone_goes_on_from_the_middle_as_well():
    results, straight = FOLDER / "gone.h5", FOLDER / "straight.h5"
    SWEEP.write_text(LONG)
    with h5py.File(shutil.copy(FOLDER / "undisturbed.h5", results), "r+") as file:
        file["stages/mark"][-1] = 0
    shutil.copy(results, straight)
    goes_on(straight)
    process = start("run", SWEEP, "-o", results, "--checkpoint-every", "50ms")
    wait_for(lambda: partial_checkpoints(results), process)
    time.sleep(0.2)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    before = steps_executed(results)
    goes_on(results)
    assert steps_executed(straight) > LONG_STEPS / 2 and before > 0
    assert before + steps_executed(results) == steps_executed(straight), (before, steps_executed(results), steps_executed(straight))


@sentence
def states_that_are_kept_are_measured_again_and_not_trained_again():
    results = run_sweep(FOLDER, "kept", LONG, "--keep", "all")
    expect_equal(FOLDER / "undisturbed.h5", results)
    with h5py.File(results, "r+") as file:
        file["stages/mark"][...] = 0
    assert difference(FOLDER / "undisturbed.h5", results)
    done = palimpsest("run", SWEEP, "-o", results, "--keep", "all", ranks=3)
    assert done.status == 0, done
    assert steps_executed(results) == 0
    expect_equal(FOLDER / "undisturbed.h5", results)
    with h5py.File(results, "r+") as file:
        file["stages/mark"][...] = 0
    (FOLDER / "elsewhere").mkdir()
    link = FOLDER / "elsewhere" / "link.h5"
    link.symlink_to(results)
    done = palimpsest("run", SWEEP, "-o", link, "--keep", "all")
    assert done.status == 0 and steps_executed(results) == 0, "under a link the states are those of the file"


@sentence
def what_lies_before_a_finer_cut_is_not_taken_for_the_middle_of_the_stage_after_it():
    coarse, fine = FOLDER / "coarse.h5", FOLDER / "fine.h5"
    process = start("run", SWEEP, "-o", coarse)
    wait_for(coarse.exists, process)
    time.sleep(0.5)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    part, = partial_checkpoints(coarse)
    text = LONG.replace("[1Mi]", "[768Ki, 1Mi]")
    run_sweep(FOLDER, "fine undisturbed", text)
    fine.with_suffix(".stages").mkdir()
    (fine.parent / "fine.stages" / part.name).write_bytes(part.read_bytes())
    done = palimpsest("run", SWEEP, "-o", fine)
    assert done.status == 0, done
    expect_equal(FOLDER / "fine undisturbed.h5", fine)
    SWEEP.write_text(LONG)


# ---- a stage that kills its process ----

DEADLY = """\
name: deadly
world: {kind: grammar, domains: 4, task_domains: 1, seed: 1}
tasks: [tense, subject_number]
model:
  context: 32
  sizes:
    nano:  {layers: 1, width: 16, heads: 2}
    giant: {layers: 2, width: 256, heads: 2}
pretrain: {batch: 8, warmup: 512, cooldown: 0.2}
finetune: {batch: 8, steps: 12, learning_rate: 2e-3}
evaluate: {items: 64, tokens: 512}
axes: {size: [nano, giant], tokens: [0, 2Ki], variety: [1], pair: all, seed: 1}
"""
# The weights of giant alone are 6 MB; nothing else asks for so much at once.
PRELOADED = {"LD_PRELOAD": os.environ["KILL_ABOVE_LIBRARY"], "KILL_ABOVE": str(4 << 20)}


def runs_until_it_survives(results, ranks, *options):
    """How often the run died before it came to an end by itself, and the exit status of that."""
    deaths = 0
    while True:
        done = palimpsest("run", SWEEP, "-o", results, *options, ranks=ranks, **PRELOADED)
        if done.status in (0, 1) and "certificate" in done.out:
            return deaths, done.status
        deaths += 1
        assert deaths < 20, done


@sentence
def a_stage_that_kills_its_process_is_failed_and_the_rest_is_done():
    SWEEP.write_text(DEADLY)
    for ranks in (None, 3):
        results = FOLDER / f"deadly {ranks}.h5"
        deaths, status = runs_until_it_survives(results, ranks)
        assert status == 1, status
        assert deaths == 5, deaths  # two among others make it a suspect, three alone condemn it
        state = status_of(results)
        assert (found(state, "failed"), found(state, "pending")) == (1, 0), state
        done, skipped = found(state, "done"), found(state, "skipped")
        assert done == skipped + 1 and done > 5, state  # all of nano, nothing of giant
        assert "died 3 times" in palimpsest("status", results).out
        again, status = runs_until_it_survives(results, ranks)
        assert (again, status) == (0, 1)
        # Tried again where it dies again, it is condemned again, though its row says failed all the time.
        assert runs_until_it_survives(results, ranks, "--retry-failed") == (5, 1)
        fixed = palimpsest("run", SWEEP, "-o", results, "--retry-failed")
        assert fixed.status == 0, fixed
    expect_equal(FOLDER / "deadly None.h5", FOLDER / "deadly 3.h5")


@sentence
def the_number_of_attempts_is_an_option():
    results = FOLDER / "deadly once.h5"
    deaths, status = runs_until_it_survives(results, None, "--attempts", "1")
    assert (deaths, status) == (3, 1), (deaths, status)


@sentence
def a_disk_that_takes_no_checkpoints_condemns_nothing():
    results, folder = FOLDER / "no room.h5", FOLDER / "no room.stages"
    SWEEP.write_text(LONG)
    folder.write_text("in the way")
    for _ in range(7):
        done = palimpsest("run", SWEEP, "-o", results, "--checkpoint-every", "1ms")
        assert done.status == 3 and str(folder) in done.err, done
    folder.unlink()
    goes_on(results)


@sentence
def kills_from_outside_condemn_nothing():
    results = FOLDER / "killed often.h5"
    SWEEP.write_text(LONG)
    for _ in range(8):
        process = start("run", SWEEP, "-o", results, "--checkpoint-every", "1h")  # it gets no further, ever
        wait_for(results.exists, process)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    goes_on(results)


if __name__ == "__main__":
    run_sentences()

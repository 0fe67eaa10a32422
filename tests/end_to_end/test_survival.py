"""What survives what: a run that is killed, drained or stopped goes on with the same command and ends with the same bits."""

import os
import re
import signal
import time
from pathlib import Path

from tiny_sweeps import expect_equal, found, palimpsest, run_sweep, scratch_folder, start, status_of, sweep_text
from sentences import run_sentences, sentence

FOLDER = scratch_folder()
TEXT = sweep_text(steps=60, seed=3, items=200)
UNDISTURBED = FOLDER / "undisturbed.h5"


def done_stages(results):
    return found(status_of(results), "done")


def wait_for_rows(process, results, rows):
    """Until so many stages are committed; fails when the run ends before."""
    limit = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < limit:
        if results.exists() and done_stages(results) >= rows:
            return
        time.sleep(0.05)
    raise AssertionError(f"the run ended ({process.poll()}) or stalled before {rows} stages were done")


def interrupted(name, number, ranks, rows=5):
    """Starts the sweep, sends the signal once some rows are committed; the results and the exit status."""
    sweep, results = FOLDER / "sweep.yaml", FOLDER / f"{name}.h5"
    sweep.write_text(TEXT)
    with open(FOLDER / f"{name}.log", "w", encoding="utf-8") as log:
        process = start("run", sweep, "-o", results, ranks=ranks, log=log)
        wait_for_rows(process, results, rows)
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)  # mpirun; its ranks notice and end
        else:
            process.send_signal(number)
        return results, process.wait(timeout=60)


def goes_on(results, ranks):
    before = done_stages(results)
    assert before >= 5, before
    assert palimpsest("status", results).status == 0 and palimpsest("summary", results).status == 0
    done = palimpsest("run", FOLDER / "sweep.yaml", "-o", results, ranks=ranks)
    assert done.status == 0, done
    expect_equal(UNDISTURBED, results)
    return before


@sentence
def an_undisturbed_run_is_what_the_others_are_measured_by():
    assert run_sweep(FOLDER, "undisturbed", TEXT, ranks=3) == UNDISTURBED


@sentence
def a_killed_run_keeps_its_rows_and_goes_on():
    results, status = interrupted("killed", signal.SIGKILL, 3)
    assert status != 0
    goes_on(results, 2)


@sentence
def a_killed_run_without_mpirun_goes_on_under_it():
    results, status = interrupted("killed alone", signal.SIGKILL, None)
    assert status == -signal.SIGKILL
    goes_on(results, 3)


@sentence
def a_run_told_to_drain_ends_with_75_and_goes_on():
    results, status = interrupted("drained", signal.SIGUSR1, 3)
    assert status == 75, status
    goes_on(results, None)


@sentence
def a_terminated_run_without_mpirun_ends_with_75_and_goes_on():
    results, status = interrupted("terminated", signal.SIGTERM, None)
    assert status == 75, status
    goes_on(results, None)


@sentence
def a_flipped_byte_in_a_checkpoint_is_noticed_and_the_state_computed_again():
    results, _ = interrupted("flipped", signal.SIGKILL, None)
    folder = FOLDER / "flipped.stages"
    files = sorted(folder.glob("*.h5"))
    assert files, "a stopped run leaves checkpoints"
    for file in files:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    goes_on(results, None)


@sentence
def a_second_run_is_refused_with_the_name_of_the_first_which_is_not_disturbed():
    results = FOLDER / "contested.h5"
    process = start("run", FOLDER / "sweep.yaml", "-o", results)
    wait_for_rows(process, results, 1)
    process.send_signal(signal.SIGSTOP)  # it holds the lock as long as it takes to ask for it
    try:
        for options in ((), ("--fresh",), ("--break-lock",)):
            second = palimpsest("run", FOLDER / "sweep.yaml", "-o", results, *options)
            assert second.status == 3 and f"process {process.pid}" in second.err, second
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=120) == 0
    expect_equal(UNDISTURBED, results)
    assert not Path(f"{results}.lock").exists()


def process_of_rank(launcher, rank):
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"OMPI_COMM_WORLD_RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"no process of rank {rank} under {launcher}")


@sentence
def a_rank_that_does_not_come_back_is_named_and_the_run_ends_with_75_before_its_job_does():
    sweep, results, log = FOLDER / "sweep.yaml", FOLDER / "silent.h5", FOLDER / "silent.log"
    end = time.time() + 20
    job = {"SLURM_JOB_ID": "1", "SLURM_JOB_END_TIME": str(int(end)), "OMPI_MCA_ras": "^slurm", "OMPI_MCA_plm": "^slurm"}
    with open(log, "w", encoding="utf-8") as file:
        process = start("run", sweep, "-o", results, ranks=3, log=file, **job)
        wait_for_rows(process, results, 5)
        os.kill(process_of_rank(process.pid, 2), signal.SIGSTOP)
        assert process.wait(timeout=60) == 75, log.read_text()
    assert time.time() < end + 1, "the batch system would have ended it"
    said = log.read_text()
    assert re.search(r"the time is over, and rank 2 on \S+ \(stage \d+, last heard of at step \d+\) did not come back", said), said
    goes_on(results, 3)


def has_said(log, words):
    limit = time.monotonic() + 60
    while words not in log.read_text():
        assert time.monotonic() < limit, log.read_text()
        time.sleep(0.1)


@sentence
def told_once_more_a_run_ends_without_the_rank_that_does_not_come_back():
    results, log = FOLDER / "insisted.h5", FOLDER / "insisted.log"
    with open(log, "w", encoding="utf-8") as file:
        process = start("run", FOLDER / "sweep.yaml", "-o", results, ranks=3, log=file)
        wait_for_rows(process, results, 5)
        os.kill(process_of_rank(process.pid, 1), signal.SIGSTOP)
        process.send_signal(signal.SIGUSR1)
        has_said(log, "waiting for rank 1 on ")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(timeout=60) == 75, log.read_text()
    assert "told to stop once more, and rank 1 on " in log.read_text(), log.read_text()
    goes_on(results, 2)


@sentence
def a_second_interrupt_stops_at_once_and_loses_nothing_committed():
    results = FOLDER / "interrupted.h5"
    process = start("run", FOLDER / "sweep.yaml", "-o", results)
    wait_for_rows(process, results, 5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) in (-signal.SIGINT, 75)  # 75: it had drained before the second came
    goes_on(results, None)


@sentence
def runs_without_mpirun_end_beside_each_other_and_disturb_none():
    text = sweep_text(size="[nano]", tokens="[2Ki]", variety="[1]", pair="[[tense, subject_number]]", seed=1, steps=2)
    places = [FOLDER / f"beside {i}" for i in range(4)]
    for round in range(4):
        for place in places:
            place.mkdir(exist_ok=True)
            (place / "sweep.yaml").write_text(text)
        logs = [open(place / "log", "w+") for place in places]
        runs = [start("run", place / "sweep.yaml", "-o", place / f"{round}.h5", log=log) for place, log in zip(places, logs)]
        for run, log in zip(runs, logs):
            status = run.wait(timeout=120)
            log.seek(0)
            assert status == 0, log.read()
            log.close()


if __name__ == "__main__":
    run_sentences()

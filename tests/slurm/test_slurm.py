"""Sweeps as Slurm jobs, against a Slurm that this program starts: stopped in time, requeued, finished, equal.

usage: test_slurm.py ROOT PALIMPSEST MPIRUN BATCH_TOOL [SECONDS]

SECONDS: how long the sweep of the one-minute job takes on one core (default 100): its sizes are fitted to this machine.
"""

import functools
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1]).absolute() / "tests" / "end_to_end"))

from slurm_cluster import Cluster, why_not  # noqa: E402
from tiny_sweeps import ENVIRONMENT, PROGRAM, ROOT, expect_equal, found, run_sweep, scratch_folder, start, status_of, sweep_text  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

TOOL = Path(sys.argv[4]).absolute()
SECONDS = float(sys.argv[5]) if len(sys.argv) > 5 else 100
FOLDER = scratch_folder()
CLUSTER = Cluster()
HURRIED = set()  # starts of jobs, each told once


def checkout():
    """What hpc/slurm.sbatch expects of a checkout: hpc/ and build/palimpsest."""
    place = FOLDER / "checkout"
    if not place.exists():
        (place / "build").mkdir(parents=True)
        (place / "hpc").symlink_to(ROOT / "hpc")
        (place / "build" / "palimpsest").symlink_to(PROGRAM)
    return place


def script(sweep, results):
    """hpc/slurm.sbatch with its three lines edited as a user would."""
    text = (ROOT / "hpc" / "slurm.sbatch").read_text()
    for name, value in (("checkout", checkout()), ("sweep", sweep), ("results", results)):
        text, changed = re.subn(rf"^{name}=.*$", f'{name}="{value}"', text, flags=re.MULTILINE)
        assert changed == 1, name
    path = FOLDER / f"{results.stem}.sbatch"
    path.write_text(text)
    return path


def submit(sweep, results, *options):
    """The job's number and the file that its output goes to."""
    log = CLUSTER.folder / f"{results.stem}.log"  # sbatch takes no blanks in this option
    job = CLUSTER.submit("--ntasks=1", f"--output={log}", f"--chdir={FOLDER}", *options, script(sweep, results))
    return job, log


def state(job):
    return CLUSTER.facts(job).get("JobState")


def hurry(job):
    """What is known of a job; a requeued one that waits need not wait for two minutes.  But for two seconds it must: slurmd takes
    no job that starts in the second in which it was killed ("already killed, do not launch"), and Slurm forgets it."""
    facts = CLUSTER.facts(job)
    start = job, facts.get("Restarts")
    if facts.get("JobState") == "PENDING" and start not in HURRIED:
        HURRIED.add(start)
        CLUSTER.ask("scontrol", "update", f"JobId={job}", "StartTime=now+2seconds")
    return facts


def wait_for(condition, what, log=None, seconds=60):
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            said = log.read_text(errors="replace") if log and log.exists() else ""
            raise AssertionError(f"waited in vain until {what}\n{said}\n{CLUSTER.ask('squeue', '-t', 'all')}\n{CLUSTER.logs()}")
        time.sleep(0.2)


ENDS = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "BOOT_FAIL", "DEADLINE")


def wait_for_success(job, log, seconds):
    """What is known of the job once it has ended, for good or not: one that failed is not waited for."""
    facts = {}

    def over():
        facts.update(hurry(job))  # Slurm forgets it soon
        return facts.get("JobState") in ENDS

    wait_for(over, "the job is over", log, seconds)
    assert facts["JobState"] == "COMPLETED" and facts["ExitCode"] == "0:0", (facts, text_of(log))
    return facts


def ended(*jobs):
    out = subprocess.run([TOOL, "ended", *jobs], env=CLUSTER.environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return out.split()


SHAPE = {"steps": 100, "items": 200, "size": "[micro]", "variety": "[1]", "tokens": "[0, 4Ki]"}


@functools.cache
def seconds_of_a_seed():
    """Of a core, not of the clock: other work on this machine must not make the sweep shorter."""
    before = os.times()
    run_sweep(FOLDER, "eight seeds", sweep_text(seed=8, **SHAPE))
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) / 8


def fitted(seconds):
    """A sweep that takes one core of this machine about so long."""
    return sweep_text(seed=max(8, round(seconds / seconds_of_a_seed())), **SHAPE)


@sentence
def a_slurm_of_our_own_starts():
    reason = why_not()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    CLUSTER.__enter__()
    CLUSTER.environment.update({name: ENVIRONMENT[name] for name in ENVIRONMENT if name.startswith("OMPI_")})


@sentence
def a_job_of_one_minute_stops_in_time_is_requeued_finishes_and_equals_an_undisturbed_run():
    sweep, results, undisturbed = FOLDER / "minute.yaml", FOLDER / "minute.h5", FOLDER / "undisturbed.h5"
    sweep.write_text(fitted(SECONDS))
    alone = start("run", sweep, "-o", undisturbed, log=subprocess.DEVNULL)  # on the other core
    try:
        job, log = submit(sweep, results, "--time=1", "--signal=B:USR1@20")
        wait_for(lambda: "(squeue, for Slurm job" in text_of(log), "the end is asked for", log)
        asked = re.search(r"the job ends in (?:(\d) min )?([\d.]+) s \(squeue, for Slurm job " + job + r"\)", text_of(log))
        assert asked and 45 <= 60 * int(asked[1] or 0) + float(asked[2]) <= 60, text_of(log)
        wait_for(lambda: int(CLUSTER.facts(job).get("Restarts", 0)) >= 1, "the job is requeued", log, 80)
        first = text_of(log)
        assert "the time limit is reached" in first and "goes back into the queue" in first, first
        assert "SIGUSR1 came early" in first, first  # 20 s before the end of the job, or earlier
        assert "DUE TO TIME LIMIT" not in first, first
        assert 0 < found(status_of(results), "done") < found(status_of(results), "stages")
        facts = wait_for_success(job, log, 6 * SECONDS)  # other work may take most of its core
        assert "the sweep is finished" in text_of(log), text_of(log)
        assert alone.wait(timeout=6 * SECONDS) == 0
    finally:
        alone.kill()
        alone.wait()
    print(f"restarts: {facts['Restarts']}; " +
          "; ".join(line for line in text_of(log).splitlines() if "early" in line or "ends in" in line))
    expect_equal(undisturbed, results)


def text_of(log):
    return log.read_text(errors="replace") if log.exists() else ""


@sentence
def a_killed_rank_is_started_again_inside_the_allocation():
    sweep, results = FOLDER / "killed.yaml", FOLDER / "killed in a job.h5"
    sweep.write_text(fitted(20))
    job, log = submit(sweep, results, "--time=5", "--ntasks=2")
    wait_for(lambda: results.exists() and found(status_of(results), "done") > 0, "stages are done", log)
    ranks = subprocess.run(["ps", "-eo", "pid,args"], stdout=subprocess.PIPE, text=True, check=True).stdout
    victims = [int(line.split()[0]) for line in ranks.splitlines()
               if re.search(r"^\s*\d+ \S.*build/palimpsest run .*killed in a job\.h5$", line) and "mpirun" not in line
               and "restart" not in line]
    assert len(victims) == 3, ranks
    subprocess.run(["kill", "-9", str(victims[-1])], check=True)
    facts = wait_for_success(job, log, 120)
    assert "it is started again (1)" in text_of(log), text_of(log)
    assert facts["Restarts"] == "0"


@sentence
def a_job_that_is_cancelled_does_not_come_back():
    sweep, results = FOLDER / "cancelled.yaml", FOLDER / "cancelled.h5"
    sweep.write_text(fitted(40))
    job, log = submit(sweep, results, "--time=5")
    wait_for(lambda: results.exists() and found(status_of(results), "done") > 0, "stages are done", log)
    time.sleep(6)  # until the restart passes signals on at once
    CLUSTER.ask("scancel", "--signal=USR1", "--batch", job)
    wait_for(lambda: "SIGUSR1 came early" in text_of(log), "the warning is heard", log)
    CLUSTER.ask("scancel", job)
    over = ("CANCELLED", None)  # or forgotten
    wait_for(lambda: state(job) in (*over, "PENDING"), "the job is over", log)
    time.sleep(3)
    assert state(job) in over, (CLUSTER.facts(job), text_of(log))
    assert "cancelled; what was saved is kept" in text_of(log), text_of(log)


@sentence
def whether_the_job_of_a_lock_is_over_is_known_in_every_state():
    waits = CLUSTER.folder / "waits.sh"
    waits.write_text("#!/bin/bash\nsleep 300\n")
    job = CLUSTER.submit("--requeue", "--output=/dev/null", waits)
    wait_for(lambda: state(job) == "RUNNING", "the job runs")
    assert ended(f"slurm {job}.0", f"slurm {job}.0@palimpsest", f"slurm {job}.1", "slurm 9999.0", "none") == [
        "alive", "alive", "alive", "ended", "alive"]
    CLUSTER.ask("scontrol", "requeue", job)
    wait_for(lambda: state(job) == "PENDING", "the job waits again")
    assert ended(f"slurm {job}.0") == ["ended"]
    wait_for(lambda: hurry(job).get("JobState") == "RUNNING", "the job runs again")
    assert ended(f"slurm {job}.0", f"slurm {job}.1") == ["ended", "alive"]
    CLUSTER.ask("scancel", job)
    wait_for(lambda: ended(f"slurm {job}.1") == ["ended"], "the job is over")
    wait_for(lambda: not CLUSTER.facts(job), "Slurm has forgotten the job", seconds=30)
    assert ended(f"slurm {job}.1") == ["ended"]


@sentence
def when_slurm_does_not_answer_a_job_counts_as_alive_and_a_run_goes_without_a_deadline():
    CLUSTER.stop_daemon("slurmctld")
    before = time.monotonic()
    assert ended("slurm 1.0") == ["alive"]
    assert time.monotonic() - before < 8
    sweep = FOLDER / "unasked.yaml"
    sweep.write_text(sweep_text(steps=4, seed=1, size="[nano]", tokens="[2Ki]", variety="[1]"))
    done = subprocess.run([PROGRAM, "run", sweep, "-o", FOLDER / "unasked.h5"], stderr=subprocess.PIPE, text=True,
                          env={**CLUSTER.environment, "SLURM_JOB_ID": "1"}, stdout=subprocess.DEVNULL, check=False)
    assert done.returncode == 0 and "no time limit is known (Slurm job 1: squeue " in done.stderr, done.stderr


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        run_sentences()
    finally:
        CLUSTER.stop()

"""hpc/in_job.sh in job scripts of several kinds: no signal is lost, doubled or late, and the exit status is the run's."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from fake_run import ROOT, Scene, finish, wait_for
from sentences import run_sentences, sentence

SCRIPT = f"""\
#!/usr/bin/env bash
set -euo pipefail
source '{ROOT}/hpc/in_job.sh'
trap 'pass_on USR1' USR1
trap 'pass_on TERM' TERM INT
sleep() {{ if [ "$1" = 0.1 ]; then echo slept >>slept; fi; command sleep "$@"; }} # held back
"""
# counts what it hears for some seconds after the first
COUNTS = """\
#!/bin/bash
%s
usr1=0 term=0
trap 'usr1=$((usr1 + 1))' USR1
trap 'term=$((term + 1))' TERM
touch ready
while [ $((usr1 + term)) = 0 ]; do sleep 0.05; done
for i in {1..25}; do sleep 0.1; done
echo "heard $usr1 USR1, $term TERM"
exit 75
"""


def heard(numbers, when, slow="", before="", command="./counts"):
    """Exit status and output of a script whose run gets these signals as soon as the file `when` is there; whether it slept."""
    with Scene() as scene:
        scene.script("counts", COUNTS % slow)
        job = scene.script("job", f'{SCRIPT}{before}\nrun_to_end {command}\necho "status $status"\n')
        process = scene.start(job)
        wait_for((scene.folder / when).exists)
        for number in numbers:
            process.send_signal(number)
            time.sleep(1)  # bash hears two within one `sleep 0.1` as one
        status, out = finish(process)
        return status, out, (scene.folder / "slept").exists()


@sentence
def a_signal_is_passed_on_at_once_to_a_run_that_heeds_it():
    commands = "./counts", "bash ./counts", "env A=1 ./counts", "nice -n 1 ./counts"
    for number, said in ((signal.SIGUSR1, "heard 1 USR1, 0 TERM"), (signal.SIGTERM, "heard 0 USR1, 1 TERM"),
                         (signal.SIGINT, "heard 0 USR1, 1 TERM")):
        with ThreadPoolExecutor() as pool:  # they wait: together
            ends = list(pool.map(lambda command: heard([number], "ready", command=command), commands))
        for command, (status, out, slept) in zip(commands, ends, strict=True):
            assert status == 0 and said in out and "status 75" in out and not slept, (command, status, out, slept)


@sentence
def two_signals_are_passed_on_as_two():
    status, out, slept = heard([signal.SIGUSR1, signal.SIGUSR1], "ready")
    assert status == 0 and "heard 2 USR1" in out and not slept, (status, out, slept)


@sentence
def a_signal_waits_for_a_run_that_would_be_ended_by_it():
    status, out, slept = heard([signal.SIGUSR1], "begun", slow="touch begun; sleep 1.5")
    assert status == 0 and "heard 1 USR1" in out and slept, (status, out, slept)


@sentence
def a_signal_before_there_is_a_run_is_kept_for_it():
    status, out, _ = heard([signal.SIGTERM], "early", before="touch early; command sleep 1")
    assert status == 0 and "heard 0 USR1, 1 TERM" in out, (status, out)


@sentence
def a_run_that_ends_while_its_signal_is_held_back_is_not_waited_for():
    before = time.monotonic()
    status, out, _ = heard([signal.SIGUSR1], "begun", slow="touch begun; sleep 1; exit 7")
    assert status == 0 and "status 7" in out and time.monotonic() - before < 20, (status, out)


@sentence
def the_status_of_a_run_that_ends_just_as_a_signal_comes_is_its_own_or_75():
    ends = []
    with Scene() as scene:
        job = scene.script("job", f"{SCRIPT}run_to_end bash -c 'sleep 0.1; kill -USR1 $PPID; exit 75'\nexit \"$status\"\n")
        for _ in range(10):
            ends.append(finish(scene.start(job)))
    assert all(end == (75, "") for end in ends), ends


@sentence
def nor_do_many_signals_around_its_end_change_the_status():
    ends = []
    run = "bash -c \"trap : USR1 TERM; touch ready; read -r -t 0.3 <> <(:); exit 7\""
    with Scene() as scene:
        job = scene.script("job", f"{SCRIPT}run_to_end {run}\nexit \"$status\"\n")
        for trial in range(12):
            process = scene.start(job)
            wait_for((scene.folder / "ready").exists)
            (scene.folder / "ready").unlink()
            for number in (signal.SIGUSR1, signal.SIGTERM) * 10:
                process.send_signal(number)
                time.sleep(0.008 + 0.001 * trial)
            ends.append(finish(process))
    assert all(status in (7, 75) for status, _ in ends), ends


if __name__ == "__main__":
    run_sentences(at_once=4)

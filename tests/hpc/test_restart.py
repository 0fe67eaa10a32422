"""hpc/restart: what is started again, what is passed on, when it gives up, and where signals go."""

import re
import signal
import sys
import time

from fake_run import ROOT, Scene, finish, wait_for
from sentences import run_sentences, sentence

RESTART = ROOT / "hpc" / "restart"
KILLED = "kill -9 $$"


def restarted(scene, *options, command=()):
    return scene.start(RESTART, *options, *command, scene.program, "run", "sweep.yaml", "-o", "results.h5")


def wait_for_run(scene):
    """Until the run has begun, and half a second in which the restart comes to listen for signals."""
    wait_for(lambda: scene.runs > 0)
    time.sleep(0.5)


def outcome(*ends, pending=5, options=()):
    """Exit status, runs and output of a restart whose runs end so."""
    with Scene(*ends, pending=pending) as scene:
        status, out = finish(restarted(scene, *options))
        return status, scene.runs, out


@sentence
def what_a_run_decides_itself_is_passed_on():
    for status in (0, 2, 3, 4, 70, 75, 126, 127):
        assert outcome(f"exit {status}", "exit 0")[:2] == (status, 1), status


@sentence
def finished_with_failed_stages_is_passed_on_but_a_1_of_mpirun_is_a_death():
    assert outcome("exit 1", "exit 0", pending=0)[:2] == (1, 1)
    status, runs, out = outcome("exit 1", "exit 0", pending=3)
    assert (status, runs) == (0, 2) and "exit status 1; it is started again" in out, out


@sentence
def a_1_that_nobody_finished_with_ends_with_3_after_all_attempts():
    status, runs, out = outcome(*["exit 1"] * 5, pending=3, options=("--most", "1"))
    assert (status, runs) == (3, 2) and "stages are left to do; ended with 3" in out, (status, runs, out)
    status, runs, out = outcome(*["exit 1"] * 5, pending=None, options=("--most", "1"))
    assert (status, runs) == (3, 2) and "palimpsest: results.h5: not there" in out, (status, runs, out)
    status, runs, out = outcome("exit 1", "echo 0 >pending; exit 1", pending=None)
    assert (status, runs) == (1, 2) and "ended with 3" not in out, (status, runs, out)


@sentence
def a_death_by_signal_is_started_again_at_once():
    before = time.monotonic()
    status, runs, out = outcome(KILLED, "kill -SEGV $$", "exit 0")
    assert (status, runs) == (0, 3) and "exit status 137" in out and "exit status 139" in out, out
    assert time.monotonic() - before < 15  # not after a pause; on a busy machine


@sentence
def a_run_that_is_started_again_is_told_how_much_of_its_time_limit_is_over():
    tells = "echo told: $*."
    command = ("--time-limit", "1h", "-o", "results.h5")
    with Scene(f"{tells}; sleep 2.5; {KILLED}", f"{tells}; sleep 1.5; {KILLED}", f"{tells}; exit 0") as scene:
        status, out = finish(scene.start(RESTART, "env", "run=1", scene.program, "run", "sweep.yaml", *command))
        assert (status, scene.runs) == (0, 3), out
        words = f"sweep.yaml {' '.join(command)}."
        first, *later = re.findall(r"told: run (?:--elapsed (\d+)s )?" + re.escape(words), out)
        assert first == "" and 3 <= int(later[0]) < 13 and int(later[0]) < int(later[1]) < 20, out
        assert len(later) == 2, out


MPIRUN = """\
#!/bin/bash
"$@"
status=$?
if [ $status = 0 ]; then exit 0; fi
exec 3<><(:)
read -r -u 3 # nothing comes
"""


@sentence
def an_mpirun_that_outlives_its_ranks_and_does_not_end_is_ended():
    with Scene("sleep 0.5; exit 9", "sleep 4; exit 0") as scene:  # a busy machine misses a shorter life than that
        mpirun = scene.script("mpirun", MPIRUN)
        status, out = finish(scene.start(RESTART, "--alone", "2", mpirun, scene.program, "run", "sweep.yaml", "-o", "r.h5"))
        assert (status, scene.runs) == (0, 2), (status, scene.runs, out)
        assert "no process under it for 2 s" in out and "exit status 137; it is started again" in out, out
    with Scene("exec 3<><(:); read -r -t 4 -u 3; exit 0") as scene:  # not mpirun: it needs no process under it
        status, out = finish(restarted(scene, "--alone", "1"))
        assert (status, scene.runs) == (0, 1) and "it is ended" not in out, (status, out)


@sentence
def an_mpirun_that_has_had_no_process_yet_is_left_alone_and_one_that_is_dead_does_not_count():
    with Scene() as scene:
        late = scene.script("mpirun", "#!/bin/bash\nexec 3<><(:)\nread -r -t 4 -u 3\nexit 0\n")
        command = (late, scene.program, "run", "sweep.yaml", "-o", "r.h5")
        status, out = finish(scene.start(RESTART, "--alone", "1", *command))
        assert status == 0 and "it is ended" not in out, (status, out)
    with Scene("sleep 0.5; exit 9", "exit 0") as scene:
        # a child that nobody waits for stays as a zombie: bash waits, python does not
        python = f"#!{sys.executable}\nimport subprocess, sys, time\nran = subprocess.Popen(sys.argv[1:])\n" \
                 "time.sleep(1)\nsys.exit(0) if open('ends').read() == '' else time.sleep(60)\n"
        command = (scene.script("mpirun", python), scene.program, "run", "sweep.yaml", "-o", "r.h5")
        status, out = finish(scene.start(RESTART, "--alone", "4", *command))
        assert status == 0 and scene.runs == 2 and "no process under it for 4 s" in out, (status, scene.runs, out)
    with Scene("exit 9") as scene:
        command = (scene.script("mpirun", MPIRUN.replace("read -r", "read -r -t 4")), scene.program, "run", "-o", "r.h5")
        status, out = finish(scene.start(RESTART, "--alone", "0", "--most", "0", *command))
        assert scene.runs == 1 and "it is ended" not in out, (status, out)


@sentence
def after_so_many_deaths_without_progress_it_gives_up():
    status, runs, out = outcome(*[KILLED] * 5, options=("--most", "2"))
    assert (status, runs) == (137, 3) and "given up" in out, (status, runs, out)
    assert outcome(KILLED, "exit 0", options=("--most", "0"))[:2] == (137, 1)


@sentence
def a_stage_more_or_a_checkpoint_counts_as_progress():
    further = [f"echo {left} >pending; {KILLED}" for left in (4, 3, 2, 1)]
    assert outcome(*further, "exit 0", options=("--most", "1"))[:2] == (0, 5)
    for name, folder in (("results.h5", "results.stages"), ("results.hdf5", "results.hdf5-stages")):
        with Scene(*(f"mkdir -p {folder}; echo {i} >{folder}/{i}.part.h5; {KILLED}" for i in range(4)), "exit 0") as scene:
            status, _ = finish(scene.start(RESTART, "--most", "1", scene.program, "run", "sweep.yaml", "-o", name))
            assert (status, scene.runs) == (0, 5), (name, status, scene.runs)


@sentence
def the_checkpoints_of_results_behind_a_link_count_as_progress():
    with Scene(*(f"echo {i} >far/real.stages/{i}.part.h5; {KILLED}" for i in range(4)), "exit 0") as scene:
        (scene.folder / "far" / "real.stages").mkdir(parents=True)
        (scene.folder / "near.h5").symlink_to("far/real.h5")  # which the first run would make
        (scene.folder / "results.h5").symlink_to("near.h5")
        status, out = finish(restarted(scene, "--most", "1"))
        assert (status, scene.runs) == (0, 5), (status, scene.runs, out)


@sentence
def a_lock_that_a_dying_run_still_holds_is_tried_again_but_not_for_ever():
    assert outcome(KILLED, "exit 3", "exit 0")[:2] == (0, 3)
    status, runs, _ = outcome(KILLED, *["exit 3"] * 9, options=("--most", "2"))
    assert status == 3 and runs < 6, (status, runs)


@sentence
def a_signal_reaches_the_run_once_it_can_hear_and_ends_with_75():
    waits = "trap 'echo heard after $SECONDS; exit 75' USR1; for i in $(seq 200); do sleep 0.1; done; exit 9"
    for number in (signal.SIGUSR1, signal.SIGTERM):
        with Scene(waits, "exit 0") as scene:
            process = restarted(scene)
            wait_for_run(scene)
            process.send_signal(number)
            status, out = finish(process)
            assert status == 75 and scene.runs == 1, (status, out)
            assert any(f"heard after {seconds}" in out for seconds in (4, 5, 6)), out


def signalled_before_the_first_run(number):
    """Exit status, runs and output."""
    with Scene("trap 'echo heard after $SECONDS; exit 75' USR1; for i in $(seq 200); do sleep 0.1; done; exit 9") as scene:
        (scene.folder / "slow").touch()  # what the restart asks before it starts anything
        process = restarted(scene)
        wait_for((scene.folder / "asked").exists)
        process.send_signal(number)
        status, out = finish(process)
        return status, scene.runs, out


@sentence
def before_the_first_run_a_term_is_heard_by_restart_and_a_usr1_by_the_run_once_it_can():
    status, runs, out = signalled_before_the_first_run(signal.SIGTERM)
    assert (status, runs) == (75, 0) and "between two runs" in out, (status, runs, out)
    status, runs, out = signalled_before_the_first_run(signal.SIGUSR1)
    assert (status, runs) == (75, 1), (status, runs, out)
    assert any(f"heard after {seconds}" in out for seconds in (4, 5, 6)), out


@sentence
def a_run_that_stops_in_time_just_as_a_signal_comes_ends_with_75():
    for _ in range(3):  # every other time bash forgets the status
        with Scene("sleep 0.2; kill -USR1 $PPID; exit 75", "exit 0") as scene:
            status, out = finish(restarted(scene, "--alone", "0"))
            assert (status, scene.runs) == (75, 1), (status, scene.runs, out)


@sentence
def two_signals_reach_the_run_as_two():
    waits = "n=0; trap 'n=$((n + 1)); if [ $n = 2 ]; then exit 75; fi' USR1; for i in $(seq 200); do sleep 0.1; done"
    with Scene(waits) as scene:
        process = restarted(scene)
        wait_for_run(scene)
        time.sleep(5)
        process.send_signal(signal.SIGUSR1)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGUSR1)
        assert finish(process)[0] == 75


@sentence
def a_run_that_dies_while_it_is_to_stop_is_not_started_again():
    with Scene("for i in $(seq 200); do sleep 0.1; done", "exit 0") as scene:  # USR1 kills it
        process = restarted(scene)
        wait_for_run(scene)
        process.send_signal(signal.SIGUSR1)
        status, out = finish(process)
        assert status == 75 and scene.runs == 1 and "while it was to stop" in out, (status, out)


@sentence
def results_that_every_restart_would_throw_away_are_refused():
    for fresh in ("--fresh", "--fre"):
        with Scene(KILLED, "exit 0") as scene:
            status, out = finish(scene.start(RESTART, scene.program, "run", "sweep.yaml", "-o", "results.h5", fresh))
            assert (status, scene.runs) == (2, 0) and "--fresh would throw the results away" in out, (status, out)


@sentence
def an_mpirun_that_fails_beside_a_sweep_that_is_done_is_not_told_as_failed_stages():
    with Scene("exit 1", "exit 1", "exit 1", pending=0) as scene:
        (scene.folder / "done").write_text("9")
        status, out = finish(scene.start(RESTART, "--most", "1", scene.program, "run", "sweep.yaml", "-o", "results.h5"))
        assert status == 3 and "mpirun's own" in out, (status, out)


@sentence
def a_lock_of_somebody_else_is_not_tried_for_ever():
    with Scene("kill -9 $$", *["exit 3"] * 9) as scene:
        status, _ = finish(scene.start(RESTART, scene.program, "run", "sweep.yaml", "-o", "results.h5"))
        assert (status, scene.runs) == (3, 4), (status, scene.runs)


@sentence
def what_restart_says_itself_is_refused_in_the_command():
    with Scene("exit 0") as scene:
        status, out = finish(scene.start(RESTART, scene.program, "run", "sweep.yaml", "-o", "results.h5", "--elapsed=5s"))
        assert (status, scene.runs) == (2, 0) and "leave it out" in out, (status, out)


@sentence
def where_the_program_is_in_a_container_only_1_counts_as_the_runs_own():
    with Scene() as scene:
        launch = ("bash", "-c", "echo run >>runs; exit 1", "/opt/palimpsest", "run", "sweep.yaml", "-o", "results.h5")
        status, out = finish(scene.start(RESTART, *launch))
        assert (status, scene.runs) == (1, 1) and "/opt/palimpsest cannot be started here" in out, (status, out)


@sentence
def the_program_and_the_results_are_found_in_any_command():
    for end in (("-o", "r.h5"), ("-or.h5",), ("--output=r.h5",), ("--output", "r.h5")):
        with Scene("exit 0") as scene:
            assert finish(scene.start(RESTART, "env", "A=1", scene.program, "run", "s.yaml", *end))[0] == 0
    for wrong in ((), ("--most",), ("--most", "x", "true"), ("--no-such",), ("true",), ("palimpsest", "run", "s.yaml")):
        with Scene() as scene:
            assert finish(scene.start(RESTART, *wrong))[0] == 2, wrong


if __name__ == "__main__":
    run_sentences(at_once=4)

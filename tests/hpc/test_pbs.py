"""hpc/pbs.sh with a qsub, an mpirun and a program that are played: what it starts, and when it submits itself again."""

import shutil
import signal
import time

from fake_run import ROOT, Scene, finish, wait_for
from sentences import run_sentences, sentence

MPIRUN = '#!/bin/bash\necho "mpirun $*" >>calls\nwhile [[ $1 != *palimpsest ]]; do shift; done\nexec "$@"\n'
QSTAT = '#!/bin/bash\n[ "$*" = "-f 17.head" ] && printf "Job Id: 17.head\\n    job_state = R\\n    Resource_List.walltime = %s\\n"\n'
QSUB = '#!/bin/bash\necho "qsub $*" >>calls\necho 18.head\n'


class Job(Scene):
    """The script as a user edits it, beside the sweep; PBS_O_WORKDIR is that folder."""

    qstat = QSTAT % "100:00:00"
    slow = ""  # lines of shell at the beginning of restart

    def submit(self, **environment):
        checkout = self.folder / "checkout"
        (checkout / "build").mkdir(parents=True)
        shutil.copytree(ROOT / "hpc", checkout / "hpc")
        restart = checkout / "hpc" / "restart"
        restart.write_text(restart.read_text().replace("set -u\n", f"{self.slow}set -u\n", 1))
        self.program.rename(checkout / "build" / "palimpsest")
        for name in ("ends", "pending", "runs"):
            (checkout / "build" / name).symlink_to(self.folder / name)
        (self.folder / "bin").mkdir()
        self.script("bin/mpirun", MPIRUN)
        self.script("bin/qsub", QSUB)
        self.script("bin/qstat", self.qstat)
        (self.folder / "nodes").write_text("a\na\nb\nb\n")
        text = (ROOT / "hpc" / "pbs.sh").read_text().replace("checkout=$HOME/palimpsest", f"checkout='{checkout}'")
        path = f"{self.folder}/bin:/usr/bin:/bin"
        environment = {"PBS_NODEFILE": str(self.folder / "nodes"), **environment}
        return self.start(self.script("pbs.sh", text), PATH=path, PBS_O_WORKDIR=str(self.folder), PBS_JOBID="17.head",
                          **environment)

    @property
    def calls(self):
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []


@sentence
def it_runs_one_rank_more_than_slots_and_ends_when_the_sweep_is_finished():
    with Job("exit 0") as job:
        status, out = finish(job.submit())
        assert status == 0 and "the sweep is finished: results.h5" in out, out
        assert len(job.calls) == 1 and job.calls[0].startswith("mpirun -n 5 --oversubscribe"), job.calls
        assert job.calls[0].endswith("palimpsest run sweep.yaml -o results.h5"), job.calls


@sentence
def outside_of_a_job_it_starts_nothing():
    with Job("exit 0") as job:
        status, out = finish(job.submit(PBS_NODEFILE=""))
        assert status != 0 and "PBS_NODEFILE: is not set" in out and job.runs == 0, (status, out)


@sentence
def stopped_in_time_it_submits_itself_again_and_counts():
    with Job("exit 75") as job:
        status, out = finish(job.submit(PALIMPSEST_SUBMITS="4"))
        assert status == 75 and "job 18.head goes on" in out, out
        assert job.calls[1:] == ["qsub -v PALIMPSEST_SUBMITS=5 pbs.sh"], job.calls
    with Job("exit 75") as job:
        status, out = finish(job.submit(PALIMPSEST_SUBMITS="200"))
        assert status == 75 and "not again" in out and len(job.calls) == 1, out


@sentence
def what_failed_is_not_submitted_again():
    for end in (1, 2, 3, 70):
        with Job(f"exit {end}", pending=0) as job:
            status, _ = finish(job.submit())
            assert status == end and len(job.calls) == 1, (status, job.calls)


def signalled(number, begun, qstat=QSTAT % "00:01:59", slow=""):
    """Output, calls and number of runs of a job that is sent a signal when begun(job) holds."""
    with Job("trap 'exit 75' USR1; for i in $(seq 200); do sleep 0.1; done; exit 9") as job:
        job.qstat, job.slow = qstat, slow
        process = job.submit()
        wait_for(lambda: begun(job))
        process.send_signal(number)
        status, out = finish(process)
        assert status == 75, (status, out)
        return out, job.calls[job.runs:], job.runs


def terminated(qstat):
    """Output and calls to qsub of a job that PBS sends TERM once its run has started."""
    out, calls, runs = signalled(signal.SIGTERM, lambda job: job.runs > 0, qstat)
    assert runs == 1, (runs, out)
    return out, calls


AGAIN = ["qsub -v PALIMPSEST_SUBMITS=1 pbs.sh"]


@sentence
def a_term_near_the_end_of_the_walltime_reaches_the_run_as_usr1_and_it_submits_itself_again():
    for walltime in ("00:01:59", "00:00:00"):
        out, calls = terminated(QSTAT % walltime)
        assert calls == AGAIN and "taken for" not in out and "cancelled" not in out, (walltime, calls, out)


@sentence
def a_signal_that_comes_before_restart_heeds_it_does_not_end_it():
    for number, runs_expected in ((signal.SIGTERM, 0), (signal.SIGUSR1, 1)):
        out, calls, runs = signalled(number, lambda job: (job.folder / "begun").exists(), slow="touch begun\nsleep 1.5\n")
        assert calls == AGAIN and "goes on" in out and runs == runs_expected, (number, calls, runs, out)


@sentence
def a_term_long_before_the_end_of_the_walltime_is_a_qdel_and_it_does_not_submit_itself_again():
    for walltime, left in (("12:08:50", 728), ("120:00:30", 7200), ("00:02:30", 2)):
        out, calls = terminated(QSTAT % walltime)
        assert not calls and f"cancelled, with {left} min of its walltime left" in out, (walltime, calls, out)


@sentence
def what_a_prologue_took_counts_and_a_job_without_walltime_has_no_end():
    began = time.strftime("%a %b %d %H:%M:%S %Y", time.localtime(time.time() - 3590))
    near = terminated(QSTAT % f"01:01:00\\n    stime = {began}")
    far = terminated(QSTAT % f"02:00:30\\n    stime = {began}")
    unlimited = terminated((QSTAT % "").replace("    Resource_List.walltime = ", "    a = b"))
    assert near[1] == AGAIN and "cancelled" not in near[0], near
    assert not far[1] and "cancelled, with 60 min of its walltime left" in far[0], far
    assert not unlimited[1] and "cancelled; what was saved is kept" in unlimited[0], unlimited


@sentence
def a_term_with_a_walltime_that_is_not_known_counts_as_its_end_and_that_is_said():
    for qstat in ("#!/bin/bash\nexit 1\n", QSTAT % "unlimited", "#!/bin/bash\nsleep 60\n"):
        out, calls = terminated(qstat)
        assert calls == AGAIN and "did not tell the walltime: taken for its end" in out, (qstat, calls, out)


if __name__ == "__main__":
    run_sentences(at_once=4)

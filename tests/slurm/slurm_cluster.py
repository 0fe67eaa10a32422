"""A Slurm of one's own: munged, slurmctld and slurmd on 127.0.0.1, everything they write in one folder, ended by process id.

    with Cluster() as cluster:
        cluster.ask("squeue")
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "squeue", "sbatch", "scontrol", "sinfo")
SEARCHED = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

CONFIGURATION = """\
ClusterName=palimpsest
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
KillWait=5
MinJobAge=2
SchedulerParameters=batch_sched_delay=0
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def why_not():
    """Why no Slurm can be started here, or None."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=SEARCHED)]
    if missing:
        return f"{', '.join(missing)} not found: tools/install slurm installs them"
    if os.getuid() != 0:
        return "slurmd starts jobs as root only"
    if not os.path.ismount("/sys/fs/cgroup"):
        return "nothing is mounted on /sys/fs/cgroup, without which slurmd does not start"
    return None


def end_with_parent():
    """In a daemon about to start: it is to end even when this program is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def free_ports(count):
    holders = [socket.socket() for _ in range(count)]
    for holder in holders:
        holder.bind(("127.0.0.1", 0))
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


class Cluster:
    """One node of so many cores, up on entering; `environment` is what the commands of Slurm need."""

    def __init__(self, cores=2):
        self.cores, self.daemons, self.folder = cores, [], None

    def __enter__(self):
        # without blanks: slurm.conf knows no quotes.  Short: the path of a socket has 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="palimpsest-slurm-", dir="/tmp"))
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith(("SLURM_", "SQUEUE_", "SBATCH_"))}
        self.environment.update(SLURM_CONF=str(self.folder / "slurm.conf"), PATH=SEARCHED)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        controller_port, node_port = free_ports(2)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        (self.folder / "slurm.conf").write_text(CONFIGURATION.format(
            host=socket.gethostname().split(".")[0], folder=self.folder, cores=self.cores,
            controller_port=controller_port, node_port=node_port))
        self.start_munge()
        self.daemon("slurmctld", "-D")
        self.daemon("slurmd", "-D", "-N", socket.gethostname().split(".")[0])
        self.wait_for(lambda: self.ask("sinfo", "-h", "-o", "%T").out == "idle", "the node is idle")

    def start_munge(self):
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.daemon("munged", "--foreground", "--force", f"--key-file={key}", f"--socket={self.folder}/munge.socket",
                    f"--pid-file={self.folder}/munge.pid", f"--seed-file={self.folder}/munge.seed",
                    f"--log-file={self.folder}/munge.log")
        self.wait_for(lambda: (self.folder / "munge.socket").exists(), "munged listens")

    def daemon(self, name, *arguments):
        """In the foreground, so that its process is a child of this one and is known by its id."""
        with open(self.folder / f"{name}.out", "ab") as out:
            process = subprocess.Popen([shutil.which(name, path=SEARCHED), *arguments], env=self.environment,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
                                       preexec_fn=end_with_parent)
        self.daemons.append((name, process))
        return process

    def wait_for(self, condition, what, seconds=30):
        limit = time.monotonic() + seconds
        while not condition():
            dead = [name for name, process in self.daemons if process.poll() is not None]
            if dead or time.monotonic() > limit:
                raise AssertionError(f"{dead or 'nobody'} ended; waited in vain until {what}\n{self.logs()}")
            time.sleep(0.1)

    def logs(self):
        texts = [(path, path.read_text(errors="replace")) for path in sorted(self.folder.glob("*.[lo][ou][gt]"))]
        return "\n".join(f"-- {path.name}\n{text[-3000:]}" for path, text in texts)

    def stop(self):
        """Jobs first, then the daemons in the reverse order of their start; what does not end is killed."""
        try:
            if {"slurmctld", "slurmd"} <= {name for name, process in self.daemons if process.poll() is None}:
                self.stop_jobs()
        finally:
            for _, process in reversed(self.daemons):
                end_process(process)
            self.daemons = []
            if self.folder:
                shutil.rmtree(self.folder, ignore_errors=True)

    def stop_jobs(self):
        self.ask("scancel", "--user=root")
        limit = time.monotonic() + 15  # after five seconds Slurm kills
        while self.ask("squeue", "-h", "-o", "%T").out and time.monotonic() < limit:
            time.sleep(0.2)

    def stop_daemon(self, wanted):
        for name, process in self.daemons:
            if name == wanted:
                end_process(process)
        self.daemons = [(name, process) for name, process in self.daemons if name != wanted]

    def ask(self, *command, seconds=30):
        """Runs a command of Slurm; .out and .err without the blanks at their ends."""
        done = subprocess.run([str(part) for part in command], env=self.environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=seconds, check=False)
        return Answer(done.returncode, done.stdout.strip(), done.stderr.strip())

    def submit(self, *arguments):
        """sbatch; the job's number."""
        answer = self.ask("sbatch", "--parsable", *arguments)
        assert answer.status == 0, answer
        return answer.out.split(";")[0]

    def facts(self, job):
        """What scontrol shows of a job, by name; empty when it is not known any more."""
        words = self.ask("scontrol", "-o", "show", "job", job).out.split()
        return dict(word.split("=", 1) for word in words if "=" in word)


class Answer:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"exit {self.status}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"


def end_process(process, seconds=10):
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""Starts store_tool for the Python tests of the results file, alone and under mpirun."""

import os
import subprocess
from pathlib import Path

ENVIRONMENT = {**os.environ, "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


class Tool:
    def __init__(self, program, mpirun):
        self.program, self.mpirun = program, mpirun

    def run(self, *arguments):
        """Output of one call; raises when it fails."""
        return subprocess.run([self.program, *map(str, arguments)], check=True, text=True, stdout=subprocess.PIPE).stdout

    def write(self, path, seconds=0, ranks=3, options=()):
        """A running job that writes all rows in about so many seconds, then holds the file open until its input ends."""
        command = [self.mpirun, *options, "--oversubscribe", "-n", str(ranks), self.program, "write", path, str(seconds)]
        return subprocess.Popen([str(c) for c in command], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, env=ENVIRONMENT)

    def written(self, path, **more):
        """All rows written, the file closed."""
        job = self.write(path, **more)
        job.communicate(timeout=50)
        assert job.returncode == 0, job.returncode
        return Path(path)

    def check(self, path):
        """(committed, damaged, wrong) rows."""
        words = self.run("check", path).split()
        return int(words[1]), int(words[3]), int(words[5])


def read_pids(job, ranks):
    """Process ids of the ranks, once all have the file open."""
    pids = []
    while len(pids) < ranks:
        line = job.stdout.readline()
        assert line, "the job ended before it had the file open"
        if line.startswith("pid "):
            pids.append(int(line.split()[1]))
    return pids


def wait_for_rows(job, ranks):
    for _ in range(ranks):
        line = job.stdout.readline()
        assert line.startswith("written"), line

"""A program called palimpsest that ends as it is told, for the scripts around it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(sys.argv[1]).absolute()
sys.path.insert(0, str(ROOT / "tests" / "support"))

# `run` takes the next line of the file "ends": what it does, in shell; `status` tells what is left, if "pending" does.
PALIMPSEST = """\
#!/bin/bash
cd "$(dirname "$0")"
if [ "$1" = status ]; then
    if [ -e slow ]; then touch asked; sleep 3; fi
    if ! [ -e pending ]; then echo "palimpsest: results.h5: not there" >&2; exit 3; fi
    printf '{\\n  "stages": 9,\\n  "by_status": {\\n    "pending": %s,\\n    "running": 0,\\n    "done": %s\\n  }\\n}\\n' \
        "$(cat pending)" "$(cat done 2>/dev/null || echo 0)"
    exit 0
fi
echo run >>runs
line=$(head -n 1 ends)
sed -i 1d ends
eval "$line"
"""


class Scene:
    """A folder with the fake program; a `with` statement removes it."""

    def __init__(self, *ends, pending=5):
        self.folder = Path(tempfile.mkdtemp(prefix="palimpsest hpc "))
        self.program = self.folder / "palimpsest"
        self.program.write_text(PALIMPSEST)
        self.program.chmod(0o755)
        (self.folder / "ends").write_text("".join(f"{end}\n" for end in ends))
        if pending is not None:
            (self.folder / "pending").write_text(str(pending))
        (self.folder / "runs").touch()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def runs(self):
        return len((self.folder / "runs").read_text().split())

    def start(self, *command, **environment):
        return subprocess.Popen([str(part) for part in command], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                env={**os.environ, **environment})

    def script(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path


def wait_for(condition, seconds=30):
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.01)


def finish(process, seconds=40):
    out, _ = process.communicate(timeout=seconds)
    return process.returncode, out

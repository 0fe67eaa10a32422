"""What others do to the folder, the disk, the clock and the data of a run: it ends with a clear sentence and exit status
3 (2 where the command itself is wrong), and once the hindrance is gone the same command ends with the same bits."""

import atexit
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time

import h5py

from tiny_sweeps import (ENVIRONMENT, Done, command_of, difference, dimensions, expect_equal, found, palimpsest, run_sweep,
                         scratch_folder, start, status_of, sweep_text, variable)
from sentences import Skipped, run_sentences, sentence

FOLDER = scratch_folder()
SWEEP, UNDISTURBED = FOLDER / "sweep.yaml", FOLDER / "undisturbed.h5"
# One stage of 816 steps, about half a second, and others that take no time.
TEXT = sweep_text(size="[nano]", tokens="[2Ki, 256Ki]", variety="[1]", seed=1)
NOBODY = 65534
YEAR = 365 * 86400


def refused(done, *words, status=3):
    assert done.status == status, done
    for word in words:
        assert str(word) in done.err, (word, done)


def run(results, *options, **more):
    return palimpsest("run", SWEEP, "-o", results, *options, seconds=60, **more)


def exchange(one, other):
    """Both names are there at every moment, so that a run cannot make anew what it misses."""
    libc = ctypes.CDLL(None, use_errno=True)
    at_folder, by_exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if libc.renameat2(at_folder, bytes(one), at_folder, bytes(other), by_exchange):
        raise OSError(ctypes.get_errno(), f"{one} and {other} cannot be exchanged")


def goes_on(results, *options, **more):
    done = run(results, *options, **more)
    assert done.status == 0, done
    expect_equal(UNDISTURBED, results)
    return done


def subfolder(name):
    folder = FOLDER / name
    folder.mkdir()
    return folder, folder / "results.h5"


class Running:
    """The sweep in the background, with checkpoints every few moments; what it says is kept."""

    def __init__(self, results, ranks, *options):
        self.path = FOLDER / "log"
        with open(self.path, "w", encoding="utf-8") as log:
            self.process = start("run", SWEEP, "-o", results, *options, ranks=ranks, log=log)
        self.wait_for(lambda: results.exists() and found(status_of(results), "done") > 0)

    def wait_for(self, what):
        limit = time.monotonic() + 60
        while not what():
            assert self.process.poll() is None and time.monotonic() < limit, self.path.read_text(encoding="utf-8")
            time.sleep(0.005)

    def ended(self):
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return Done(subprocess.CompletedProcess((), status, "", self.path.read_text(encoding="utf-8")))


OFTEN = ("--checkpoint-every", "20ms")


def has_checkpoint(results):
    return lambda: any(results.with_suffix(".stages").glob("*.part.h5"))


@sentence
def an_undisturbed_run_is_what_the_others_are_measured_by():
    assert run_sweep(FOLDER, "undisturbed", TEXT) == UNDISTURBED


# ---- the folder ----

def as_nobody(*arguments):
    """The program as somebody for whom permissions count."""
    if os.getuid() != 0:
        return palimpsest(*arguments, seconds=60)
    command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command_of(arguments, None)]
    return Done(subprocess.run(command, env={**ENVIRONMENT, "HOME": "/"}, stdin=subprocess.DEVNULL, text=True, timeout=60,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False))


def need_nobody():
    if os.getuid() != 0:
        return
    if not shutil.which("setpriv"):
        raise Skipped("root may do everything, and there is no setpriv to be somebody else")
    FOLDER.chmod(0o755)
    if as_nobody("--version").status != 0:
        raise Skipped("the program stands in a folder that only root may enter")


def belongs_to_nobody(*paths):
    for path in paths if os.getuid() == 0 else ():
        os.chown(path, NOBODY, NOBODY)


@sentence
def a_folder_that_may_not_be_written_is_refused_and_its_results_can_be_read():
    need_nobody()
    folder, results = subfolder("read only")
    shutil.copy(UNDISTURBED, results)
    folder.chmod(0o555)
    try:
        for output in (results, folder / "new.h5"):
            refused(as_nobody("run", SWEEP, "-o", output), f"the folder {folder} cannot be written to")
        for command in ("status", "summary", "verify"):
            done = as_nobody(command, results)
            assert done.status == 0, done
        assert [path.name for path in folder.iterdir()] == ["results.h5"]
    finally:
        folder.chmod(0o755)


@sentence
def files_that_may_not_be_read_or_written_are_refused_by_name():
    need_nobody()
    folder, results = subfolder("permissions")
    belongs_to_nobody(folder)
    stopped = as_nobody("run", SWEEP, "-o", results, "--time-limit", "300ms")
    assert stopped.status == 75, stopped
    stages = folder / "results.stages"
    stages.mkdir(exist_ok=True)
    belongs_to_nobody(stages)
    before = results.read_bytes()
    for mode, words in ((0o444, "cannot be opened for writing: Permission denied"), (0o000, "cannot be opened: Permission denied")):
        results.chmod(mode)
        refused(as_nobody("run", SWEEP, "-o", results), f"{results}: ", words)
        assert results.read_bytes() == before
    results.chmod(0o644)
    stages.chmod(0o555)
    refused(as_nobody("run", SWEEP, "-o", results, "--keep", "all"), f"{stages}/", "Permission denied")
    stages.chmod(0o000)
    refused(as_nobody("run", SWEEP, "-o", results), f"{stages}: cannot be listed: Permission denied")
    stages.chmod(0o755)
    done = as_nobody("run", SWEEP, "-o", results)
    assert done.status == 0, done
    expect_equal(UNDISTURBED, results)


@sentence
def a_results_folder_that_is_removed_while_running_ends_the_run():
    for ranks, options in ((None, ()), (3, OFTEN)):
        folder, results = subfolder(f"removed {ranks}")
        running = Running(results, ranks, *options)
        if options:
            running.wait_for(has_checkpoint(results))
        folder.rename(FOLDER / f"gone {ranks}")  # at once, so that no file comes in between
        shutil.rmtree(FOLDER / f"gone {ranks}")
        done = running.ended()
        refused(done, f"{folder}/results.")
        assert "was removed or replaced while this run wrote it" in done.err or "No such file" in done.err, done
        assert not folder.exists()


@sentence
def a_results_file_that_is_replaced_by_a_folder_is_told_before_and_while_running():
    folder, results = subfolder("replaced")
    results.mkdir()
    refused(run(results), f"{results}: is not a regular file", status=2)
    results.rmdir()
    running = Running(results, 3)
    results.rename(folder / "aside.h5")
    results.mkdir()
    refused(running.ended(), f"{results}: was removed or replaced while this run wrote it")
    assert not list(results.iterdir())
    results.rmdir()
    (folder / "aside.h5").rename(results)
    goes_on(results)


@sentence
def a_file_in_the_place_of_the_checkpoints_is_told_before_and_while_running():
    folder, results = subfolder("no checkpoints")
    stages = folder / "results.stages"
    stages.write_text("not a folder")
    refused(run(results), f"{stages}: cannot be listed: Not a directory")
    stages.unlink()
    running = Running(results, None, *OFTEN)
    running.wait_for(has_checkpoint(results))
    (folder / "aside").write_text("not a folder")
    exchange(folder / "aside", stages)
    done = running.ended()
    refused(done)
    what = rf"rank \d+: {re.escape(str(stages))}(/[^/ ]+)?: (cannot be created as a folder|.*Not a directory)"  # by what comes first
    assert re.search(what, done.err), done
    assert stages.read_text() == "not a folder"
    stages.unlink()
    goes_on(results, ranks=3)


@sentence
def a_folder_in_the_place_of_the_lock_is_told():
    folder, results = subfolder("no lock")
    (folder / "results.h5.lock").mkdir()
    refused(run(results), f"{results}.lock: cannot be opened: Is a directory")
    assert not results.exists()
    (folder / "results.h5.lock").rmdir()
    goes_on(results)


@sentence
def a_link_is_followed_but_neither_replaced_nor_thrown_away():
    folder, results = subfolder("link")
    link, target = folder / "link.h5", folder / "results.h5"
    link.symlink_to("results.h5")
    refused(run(link), f"{link}: is a symbolic link to results.h5, which is not there", "-o", status=2)
    assert link.is_symlink() and not target.exists()
    goes_on(results)
    goes_on(link)
    before = target.read_bytes()
    refused(run(link, "--fresh"), f"{link}: is a symbolic link to results.h5; --fresh would remove the link", status=2)
    assert link.is_symlink() and target.read_bytes() == before


@sentence
def fresh_leaves_what_others_have_put_into_the_folder_of_checkpoints():
    folder, results = subfolder("notes")
    stages, notes = folder / "results.stages", folder / "results.stages" / "notes.txt"
    goes_on(results, "--keep", "all")
    notes.write_text("mine")
    kept = {path.name for path in stages.iterdir()}
    goes_on(results, "--fresh")
    left = {path.name for path in stages.iterdir()}
    assert notes.read_text() == "mine" and left < kept, (left, kept)  # pretrained states are kept anyway


# ---- the disk ----

def small_disk(name, mebibytes):
    """A folder with so much room."""
    folder = FOLDER / name
    folder.mkdir()
    if os.getuid() != 0:
        raise Skipped("only root can mount a small disk")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=755", "none", folder], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Skipped(f"no small disk can be mounted here: {done.stdout.strip()}")
    atexit.register(subprocess.run, ["umount", "-l", folder], check=False)
    return folder


def room(folder):
    facts = os.statvfs(folder)
    return facts.f_bavail * facts.f_bsize


def fill(folder, left):
    with open(folder / "filler", "wb") as file:
        os.posix_fallocate(file.fileno(), 0, room(folder) - left)


@sentence
def a_full_disk_is_told_and_with_room_again_the_run_goes_on():
    folder = small_disk("full", 16)
    results = folder / "results.h5"
    for left in (0, 8 << 10, 256 << 10):  # no lock, no skeleton, half of one
        fill(folder, left)
        refused(run(results), "No space left on device")
        (folder / "filler").unlink()
        assert not list(folder.iterdir())
    stopped = run(results, "--time-limit", "300ms")
    assert stopped.status == 75, stopped
    for ranks in (None, 3):
        fill(folder, 8 << 10)  # a checkpoint does not fit
        refused(run(results, "--keep", "all", ranks=ranks), "results.stages/", "No space left on device")
        (folder / "filler").unlink()
    goes_on(results)


@sentence
def a_merge_onto_a_full_disk_is_told_and_leaves_nothing():
    folder = small_disk("merging", 16)
    size, copy = UNDISTURBED.stat().st_size, FOLDER / "copy.h5"
    shutil.copy(UNDISTURBED, copy)
    for left in (0, 8 << 10, size // 2, size + (8 << 10)):
        fill(folder, left)
        refused(palimpsest("merge", UNDISTURBED, copy, "-o", folder / "merged.h5"), "No space left on device")
        (folder / "filler").unlink()
        assert not list(folder.iterdir()), (left, list(folder.iterdir()))
    assert palimpsest("merge", UNDISTURBED, copy, "-o", folder / "merged.h5").status == 0
    expect_equal(UNDISTURBED, folder / "merged.h5")


@sentence
def a_file_under_two_names_is_refused():
    folder, results = subfolder("names")
    assert run(results, "--time-limit", "300ms").status == 75
    os.link(results, folder / "other.h5")
    refused(run(folder / "other.h5"), f"{folder}/other.h5: is one file under 2 names (hard links)", status=2)
    assert not (folder / "other.stages").exists()
    (folder / "other.h5").unlink()
    goes_on(results)


@sentence
def status_says_whether_a_run_is_at_work_and_whether_one_ended_without_a_word():
    folder, results = subfolder("alive")
    running = Running(results, None, *OFTEN)
    running.wait_for(has_checkpoint(results))
    os.killpg(running.process.pid, signal.SIGSTOP)  # at work, however long the questions take
    lock = dict(line.split(" ", 1) for line in (folder / "results.h5.lock").read_text().splitlines())
    told, words = status_of(results)["run"], palimpsest("status", results).out
    assert told["state"] == "at work" and str(told["process"]) == lock["process"] and told["host"] == lock["host"], (told, lock)
    assert f"at work (host {lock['host']}, process {lock['process']})" in words, words
    os.killpg(running.process.pid, signal.SIGKILL)
    running.process.wait()
    assert status_of(results)["run"]["state"] == "ended without a word"
    words = palimpsest("status", results).out
    assert f"the last one ended without a word (host {lock['host']}, process {lock['process']}); the same command goes on" in words, words
    goes_on(results)
    assert status_of(results)["run"] is None and "at work" not in palimpsest("status", results).out


@sentence
def a_disk_that_is_mounted_to_be_read_only_is_refused():
    folder = small_disk("mounted", 16)
    shutil.copy(UNDISTURBED, folder / "results.h5")
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    refused(run(folder / "results.h5"), f"the folder {folder} cannot be written to")
    assert palimpsest("summary", folder / "results.h5").status == 0


# ---- the clock ----

def jumping(years, stages):
    """The environment in which a process finds the clock changed, once it has ended so many stages."""
    return {"LD_PRELOAD": os.environ["JUMP_CLOCK_LIBRARY"], "CLOCK_JUMP": str(years * YEAR), "CLOCK_JUMP_AFTER": str(stages)}


def years_off(results):
    """How many years before or after now stages began, by their own account."""
    with h5py.File(results, "r") as file:
        started = file["provenance/stage"]["started"]
    return {round((float(begun) - time.time()) / YEAR) for begun in started}


@sentence
def a_clock_that_jumps_by_a_year_ends_no_run_early_and_changes_no_bit():
    for number, (ranks, years, stages) in enumerate(((None, 1, 0), (2, -1, 0), (None, -1, 4), (None, 1, 4))):
        results = FOLDER / f"jump {number}.h5"
        goes_on(results, "--time-limit", "1h", ranks=ranks, **jumping(years, stages))
        assert years_off(results) == ({years} if stages == 0 else {0, years}), "the clock did not jump as it should"


@sentence
def a_clock_that_jumps_does_not_lengthen_a_time_limit():
    for number, (years, stages) in enumerate(((-1, 0), (-1, 2), (1, 2))):
        results = FOLDER / f"limited {number}.h5"
        began = time.monotonic()
        done = run(results, "--time-limit", "300ms", **jumping(years, stages))
        assert done.status == 75 and time.monotonic() - began < 10, done
    goes_on(results)


def left_by_another_host(results, age):
    """A lock with the heartbeat of a run elsewhere."""
    lock = results.parent / f"{results.name}.lock"
    lock.write_text("host elsewhere\nboot 1-2-3\nprocess 7\nparent 1\nstarted 99\njob none\n")
    now = time.time()
    os.utime(lock, (now - age, now - age))


@sentence
def a_clock_that_is_wrong_by_a_year_takes_no_lock_from_a_run_that_lives():
    _, results = subfolder("heartbeat")
    for years in (1, -1):
        wrong = jumping(years, 0)
        left_by_another_host(results, 1)
        refused(run(results, "--break-lock", **wrong), "host elsewhere")
        assert not results.exists()
        left_by_another_host(results, 3600)
        refused(run(results, **wrong), "host elsewhere", "--break-lock")
        assert not results.exists()
    goes_on(results, "--break-lock", **wrong)


# ---- numbers and data ----

RECIPES = ("  recipe: {pretrain.learning_rate: [2e-3, 1], pretrain.beta2: [0.95, 0], pretrain.clip: [1, 0], "
           "pretrain.epsilon: [1e-8, 1e-300]}")
DIVERGING = sweep_text(size="[nano]", tokens="[0, 2Ki, 4Ki, 8Ki]", variety="[1]", seed=1).replace(
    "measure:", f"zip:\n{RECIPES}\nmeasure:")


@sentence
def a_loss_that_is_no_number_is_a_result_and_the_rest_goes_on():
    results = run_sweep(FOLDER, "diverging", DIVERGING, status=1)
    for name, options, ranks in (("ranks", (), 3), ("alone", ("--no-sharing",), 2)):
        expect_equal(results, run_sweep(FOLDER, f"diverging {name}", DIVERGING, *options, ranks=ranks, status=1))
        reasons = re.findall(r"diverged: (.*)", palimpsest("status", FOLDER / f"diverging {name}.h5").out)
        assert len(reasons) == 3, reasons  # the trunk and its later pieces
        assert all(reasons) and any("loss became NaN at step" in reason for reason in reasons), reasons
    state = status_of(results)
    done, skipped = found(state, "done"), found(state, "skipped")
    assert (found(state, "diverged"), found(state, "failed"), found(state, "pending")) == (3, 0, 0), state
    assert done > skipped > 0, state
    calm = run_sweep(FOLDER, "calm", DIVERGING.replace("[2e-3, 1]", "[2e-3, 1e-3]").replace("[0.95, 0]", "[0.95, 0.9]")
                     .replace("[1, 0]", "[1, 2]").replace("[1e-8, 1e-300]", "[1e-8, 1e-7]"))
    for name in ("pretrained_lm_loss", "first_accuracy", "second_accuracy_first"):  # recipe is the last dimension but one
        left, right = (variable(file, name) for file in (results, calm))
        place = dimensions(results, name).index("recipe")
        assert (left.take(0, place) == right.take(0, place)).all(), f"{name}: the rest is not as without it"
        assert (left.take(1, place) != left.take(1, place)).any(), f"{name}: a number where training diverged"
    again = palimpsest("run", FOLDER / "sweep.yaml", "-o", calm, "--retry-failed")
    assert again.status == 0, again


TEXT_SWEEP = """\
name: text
world:
  kind: text
  corpora: {one: one.txt, two: two.txt}
  tasks: {a: {train: train.tsv, test: test.tsv}, b: {train: test.tsv, test: train.tsv}}
  tokenizer: bytes
model: {context: 16, sizes: {nano: {layers: 1, width: 16, heads: 2}}}
pretrain: {batch: 2, warmup: 32}
finetune: {batch: 2, steps: 2}
evaluate: {items: 4, tokens: 64}
axes: {tokens: [128Ki], variety: [1], pair: all, seed: 1}
"""
WORLD = {"one.txt": "the cat saw a dog and the dog ran home\n" * 5000, "two.txt": "a fish swims in the deep blue sea\n" * 5000,
         "train.tsv": "".join(f"{label}\ttext {i} of {label}\n" for label in ("no", "yes") for i in range(6)),
         "test.tsv": "".join(f"{label}\tother {i} of {label}\n" for label in ("no", "yes") for i in range(6))}


@sentence
def data_that_changes_between_a_run_and_its_continuation_is_refused_and_named():
    folder, results = subfolder("data")
    for name, content in WORLD.items():
        (folder / name).write_text(content)
    (folder / "text.yaml").write_text(TEXT_SWEEP)
    arguments = ("run", folder / "text.yaml", "-o", results)
    stopped = palimpsest(*arguments, "--time-limit", "300ms")
    assert stopped.status == 75, stopped
    before = results.read_bytes()
    changes = {"two.txt": (WORLD["two.txt"].replace("deep", "dark"), "training text of domain two", "domain one"),
               "test.tsv": (WORLD["test.tsv"].replace("other 3", "another 3"), "test items of task a", "domain")}
    for name, (content, told, untold) in changes.items():
        (folder / name).write_text(content)
        done = palimpsest(*arguments)
        refused(done, f"{results}: belongs to another sweep", "nothing was started", "What changed:", told, status=2)
        assert untold not in done.err, done
        assert results.read_bytes() == before
        (folder / name).write_text(WORLD[name])
    done = palimpsest(*arguments)
    assert done.status == 0, done
    assert not difference(results, fresh_copy(folder, arguments))


def fresh_copy(folder, arguments):
    done = palimpsest(*arguments[:-1], folder / "fresh.h5")
    assert done.status == 0, done
    return folder / "fresh.h5"


@sentence
def a_semaphore_of_open_mpi_that_a_killed_process_left_taken_stops_nobody():
    results = FOLDER / "semaphore.h5"
    library = ctypes.CDLL(None)
    library.sem_open.restype = ctypes.c_void_p
    name = f"/OMPIO_{results.name}".encode()
    assert library.sem_open(name, os.O_CREAT, 0o644, 0), "cannot be made"
    try:
        done = run(results, ranks=3)
    finally:
        library.sem_unlink(name)
    assert done.status == 0, done


if __name__ == "__main__":
    run_sentences()

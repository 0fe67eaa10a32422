"""Hostile data: whatever is named as a sweep, a corpus, a task or a results file is refused by a sentence that names
it, with the exit status of the README, in bounded time and memory; never a crash, a hang, or numbers nobody asked for.
"""

import json
import os
import resource
import shutil
import subprocess

import h5py

from tiny_sweeps import (ENVIRONMENT, Done, command_of, expect_equal, palimpsest, run_sweep, scratch_folder, sweep_text,
                         variable)
from sentences import Skipped, run_sentences, sentence

FOLDER = scratch_folder()
MEMORY = 3 << 30  # of address space: HDF5, MPI and BLAS map a good part of it
SECONDS = 60

TEXT = """\
name: text
world:
  kind: text
  corpora: {one: "%s"}
  tasks: {a: {train: "%s", test: "%s"}, b: {train: b_train.tsv, test: b_test.tsv}}
  tokenizer: %s
model: {context: 16, sizes: {nano: {layers: 1, width: 16, heads: 2}}}
pretrain: {batch: 2, warmup: 32}
finetune: {batch: 2, steps: 2}
evaluate: {items: 4, tokens: 64}
axes: {tokens: [64], variety: [1], pair: all, seed: 1}
"""
GOOD = {"corpus.txt": "the cat saw a dog and the dog ran home\n" * 40,
        "train.tsv": "".join(f"{label}\ttext {i} of {label}\n" for label in ("no", "yes") for i in range(6)),
        "test.tsv": "no\tnever seen\nyes\tseen\n",
        "b_train.tsv": "".join(f"{label}\tline {i} of {label}\n" for label in ("x", "y") for i in range(6)),
        "b_test.tsv": "x\tone\ny\ttwo\n"}


def limited(*arguments, **more):
    """The program with bounded memory and time; it must end by itself and not by a signal."""
    done = Done(subprocess.run(command_of(arguments, None), env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=SECONDS, check=False,
                               errors="replace", **{"preexec_fn": bound, **more}))
    assert done.status >= 0, done
    return done


def bound():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def expect_refused(done, *words, status=2):
    assert done.status == status, done
    for word in words:
        assert str(word) in done.err, (word, done)


def text_sweep(corpus="corpus.txt", train="train.tsv", test="test.tsv", tokenizer="bytes"):
    for name, content in GOOD.items():
        (FOLDER / name).write_text(content)
    sweep = FOLDER / "text.yaml"
    sweep.write_text(TEXT % (corpus, train, test, tokenizer))
    return sweep


def expect_data_refused(name, content, *words, role=None, tokenizer="bytes", status=2):
    """The file as corpus, train or test file of an otherwise good sweep."""
    sweep = text_sweep(**{role or name.split("-")[0]: name}, tokenizer=tokenizer)
    (FOLDER / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    expect_refused(limited("plan", sweep), FOLDER / name, *words, status=status)


def sparse(name):
    """A file of 10 GB that takes no room: one line of zero bytes."""
    with open(FOLDER / name, "wb") as file:
        file.truncate(10 << 30)
    return FOLDER / name


@sentence
def good_data_is_read_with_marks_and_carriage_returns_too():
    sweep = text_sweep()
    plain = limited("plan", sweep, "--json")
    assert plain.status == 0, plain
    for name in ("train.tsv", "test.tsv"):
        (FOLDER / name).write_bytes(b"\xef\xbb\xbf" + GOOD[name].replace("\n", "\r\n").encode())
    sweep.write_bytes(b"\xef\xbb\xbf" + sweep.read_bytes().replace(b"\n", b"\r\n"))
    assert hash_of(limited("plan", sweep, "--json")) == hash_of(plain)


def hash_of(done):
    return json.loads(done.out)["sweep_hash"]


@sentence
def task_files_that_cannot_be_used_are_refused_with_the_line():
    train = GOOD["train.tsv"]
    expect_data_refused("train-utf8.tsv", train.encode() + b"no\tcaf\xe9\n", ":13: byte 0xe9 is not UTF-8")
    expect_data_refused("train-empty.tsv", "", "is empty")
    expect_data_refused("train-zero.tsv", train + "no\ta\0b\n", ":13: holds a NUL byte")
    expect_data_refused("train-one.tsv", "no\ta\nno\tb\n", 'all lines have the label "no"')
    expect_data_refused("test-unseen.tsv", "no\tx\nperhaps\ty\n", ':2: label "perhaps" is not in')
    expect_data_refused("test-empty.tsv", "", "is empty")
    expect_data_refused("train-long.tsv", train + "no\t" + "x" * 70000 + "\n", ":13: is longer than 65536 bytes")


@sentence
def corpora_that_cannot_be_used_are_refused():
    expect_data_refused("corpus-empty.txt", "", "is empty")
    expect_data_refused("corpus-utf8.txt", b"a line\n\xff\xfe\n", ":2: byte 0xff is not UTF-8")
    expect_data_refused("corpus-zero.txt", b"a line\na\0b\n", ":2: holds a NUL byte")
    expect_data_refused("corpus-word.txt", "x" * 5000, "is one line without a blank")


@sentence
def a_line_of_ten_gigabytes_is_refused_at_once_in_little_memory():
    for role in ("corpus", "train", "test"):
        path = sparse(f"{role}-sparse.txt")
        expect_refused(limited("plan", text_sweep(**{role: path.name})), f"{path}:1: holds a NUL byte")
        path.unlink()
    path = sparse("sweep-sparse.yaml")
    for arguments in (("plan", path), ("world", path), ("run", path, "-o", FOLDER / "sparse.h5")):
        expect_refused(limited(*arguments), f"{path}: has 10737418240 bytes; at most 1048576 are read")
    path.unlink()


@sentence
def a_text_longer_than_the_context_is_cut_and_the_sweep_runs():
    sweep = text_sweep()
    (FOLDER / "train.tsv").write_text(GOOD["train.tsv"] + "no\t" + "word " * 5000 + "\n")
    done = palimpsest("run", sweep, "-o", FOLDER / "long.h5")
    assert done.status == 0, done
    accuracy = variable(FOLDER / "long.h5", "first_accuracy")
    assert ((accuracy >= 0) & (accuracy <= 1)).all(), accuracy


@sentence
def what_is_no_file_is_refused_and_not_waited_for():
    os.mkfifo(FOLDER / "pipe")
    (FOLDER / "loop").symlink_to(FOLDER / "loop")
    (FOLDER / "folder").mkdir()
    for path in (FOLDER / "pipe", FOLDER / "folder", "/dev/zero", FOLDER / "loop"):
        for command in (("plan", path), ("run", path, "-o", FOLDER / "none.h5")):
            done = limited(*command)
            assert done.status in (2, 3) and f"{path}: " in done.err, done
        for role in ("corpus", "train", "test"):
            done = limited("plan", text_sweep(**{role: str(path)}))
            assert done.status == 2 and f"{path} cannot be read" in done.err and "text.yaml:" in done.err, done
    assert not (FOLDER / "none.h5").exists()


@sentence
def a_file_that_may_not_be_read_is_refused():
    if os.getuid() == 0 and not shutil.which("setpriv"):
        raise Skipped("root may read everything, and there is no setpriv to be somebody else")
    sweep = text_sweep()
    FOLDER.chmod(0o755)
    (FOLDER / "corpus.txt").chmod(0)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    program = command_of(("plan", sweep), None)
    if other and subprocess.run([*other, program[0], "--version"], stdout=subprocess.DEVNULL, check=False,
                                stderr=subprocess.DEVNULL).returncode != 0:
        raise Skipped("the program stands in a folder that only root may enter")
    done = Done(subprocess.run([*other, *program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               timeout=SECONDS, check=False))
    (FOLDER / "corpus.txt").chmod(0o644)
    expect_refused(done, "text.yaml:4:", "corpus.txt cannot be read: Permission denied")


@sentence
def data_that_changed_under_a_results_file_is_refused_by_the_next_run():
    sweep, results = text_sweep(), FOLDER / "changed.h5"
    assert palimpsest("run", sweep, "-o", results).status == 0
    before = results.read_bytes()
    (FOLDER / "corpus.txt").write_text(GOOD["corpus.txt"][:900])
    expect_refused(palimpsest("run", sweep, "-o", results), results)
    assert results.read_bytes() == before


@sentence
def sweep_files_made_to_hurt_are_refused_at_once():
    sweep = FOLDER / "hurt.yaml"
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12))
    cases = [(bomb, "more than 100000 values"), ("[" * 100000, "nested more than 16 deep"),
             (sweep_text() + "junk: 1\0\n", ":19:8: YAML: a zero byte"),
             (sweep_text() + "name: again\n", "stands twice"),
             (b"name: caf\xe9\n", ":1:10: YAML:"), ("", "the file is empty")]
    for content, word in cases:
        sweep.write_bytes(content if isinstance(content, bytes) else content.encode())
        for command in (("plan", sweep), ("run", sweep, "-o", FOLDER / "hurt.h5")):
            expect_refused(limited(*command), f"{sweep}:", word)
    assert not (FOLDER / "hurt.h5").exists()


@sentence
def grids_and_models_beyond_any_machine_are_refused_with_numbers():
    sweep, results = FOLDER / "large.yaml", FOLDER / "large.h5"
    rates = "[" + ", ".join(f"{i}e-6" for i in range(1, 1001)) + "]"
    keys = ("pretrain.learning_rate", "pretrain.weight_decay", "pretrain.clip", "finetune.learning_rate",
            "finetune.weight_decay", "finetune.clip")
    sweep.write_text(sweep_text(size="[nano]", tokens="[2Ki]", variety="[1]", seed=10000).replace(
        "measure:", "".join(f"  {key}: {rates}\n" for key in keys) + "measure:"))
    expect_refused(limited("plan", sweep), "20000000000000000000000 cells; at most 10000000")
    sweep.write_text(sweep_text(size="[nano]").replace("layers: 1, width: 16, heads: 2",
                                                       "layers: 64, width: 16384, heads: 64"))
    expect_refused(limited("run", sweep, "-o", results), "the largest stage needs", "and this machine has")
    assert not results.exists()


@sentence
def every_name_in_a_results_file_is_refused_for_a_zip_group():
    results = run_sweep(FOLDER, "names", sweep_text(size="[nano]", seed=1, tokens="[2Ki]", variety="[1]"))
    with h5py.File(results, "r") as file:
        names = sorted(file)
    assert len(names) > 30, names
    sweep = FOLDER / "names.yaml"
    for name in (*names, "third_accuracy_second", "pair_third", "position"):
        sweep.write_text(sweep_text().replace("axes:", f"zip:\n  {name}: {{pretrain.clip: [1, 2]}}\naxes:"))
        expect_refused(palimpsest("plan", sweep), f":13:3: zip.{name}: the results file has something of this name")


@sentence
def what_is_no_results_file_is_refused_by_every_command_and_kept():
    text = sweep_text(size="[nano]", seed=1, tokens="[2Ki]", variety="[1]")
    whole, sweep = run_sweep(FOLDER, "whole", text).read_bytes(), FOLDER / "sweep.yaml"
    wrong = {"empty": b"", "text": b"no results\n" * 100, "half": whole[:len(whole) // 2], "tail": whole[:-100],
             "head": whole[:300]}
    words = {"empty": "is empty (0 bytes)", "text": "is not an HDF5 file",
             "foreign": "of palimpsest", "folder": "is not a regular file",
             "pipe": "is not a regular file"}
    for name, content in wrong.items():
        (FOLDER / f"{name}.h5").write_bytes(content)
    with h5py.File(FOLDER / "foreign.h5", "w") as file:
        file["x"] = [1.0]
    (FOLDER / "folder.h5").mkdir()
    os.mkfifo(FOLDER / "pipe.h5")
    for name in (*wrong, "foreign", "folder", "pipe"):
        path = FOLDER / f"{name}.h5"
        for command in (("status", path), ("summary", path), ("plan", sweep, "--speed-from", path),
                        ("run", sweep, "-o", path), ("run", sweep, "--fresh", "-o", path)):
            if name == "tail" and "--fresh" in command:
                continue  # it is known for ours by its seal
            done = limited(*command, preexec_fn=None)
            assert done.status == 2 or (done.status == 3 and command[0] not in ("status", "summary")), done
            expect_refused(done, f"{path}: ", words.get(name, "cut short"), status=done.status)
        assert name not in wrong or path.read_bytes() == wrong[name], f"{path} was changed"
    done = limited("run", sweep, "--fresh", "-o", FOLDER / "tail.h5", preexec_fn=None)
    assert done.status == 0, done
    expect_equal(FOLDER / "whole.h5", FOLDER / "tail.h5")


if __name__ == "__main__":
    run_sentences()

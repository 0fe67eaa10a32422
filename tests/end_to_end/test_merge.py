"""merge: results files of one sweep, each with a part of it, become one file that a run goes on from."""

import hashlib
import shutil
import signal
import time

import h5py
import numpy

from tiny_sweeps import expect_equal, found, palimpsest, run_sweep, scratch_folder, start, status_of, sweep_text
from sentences import run_sentences, sentence
from forgery import plant_in_first

FOLDER = scratch_folder()
TEXT = sweep_text(steps=60, items=200, size="[nano]")
WHOLE = FOLDER / "whole.h5"
FIRST, SECOND = FOLDER / "first.h5", FOLDER / "second.h5"


def fingerprint(results):
    files = [results, *sorted(results.with_suffix(".stages").iterdir())]
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns) for file in files]


def done(results):
    return found(status_of(results), "done")


def part(name, rows):
    """A run of the sweep that is drained once so many stages are done."""
    sweep, results = FOLDER / f"{name}.yaml", FOLDER / f"{name}.h5"
    sweep.write_text(TEXT)
    process = start("run", sweep, "-o", results)
    limit = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < limit and not (results.exists() and done(results) >= rows):
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    assert process.wait(timeout=60) == 75
    return results


def forget(results, rows):
    """The rows of these numbers are as if never computed."""
    with h5py.File(results, "r+") as file:
        mark = file["stages/mark"][()]
        mark[rows] = 0
        file["stages/mark"][...] = mark
    return results


def copy_of(source, name):
    results = FOLDER / f"{name}.h5"
    shutil.copy(source, results)
    shutil.copytree(source.with_suffix(".stages"), results.with_suffix(".stages"))
    return results


def merge(name, *files, status=0):
    results = FOLDER / f"{name}.h5"
    before = [fingerprint(file) for file in files]
    ended = palimpsest("merge", *files, "-o", results)
    assert ended.status == status, ended
    assert [fingerprint(file) for file in files] == before, "what is merged is only read"
    assert status == 0 or not results.exists()
    assert not list(FOLDER.glob(f"{name}.h5.*")), "nothing is left beside it"
    return results, ended


@sentence
def the_whole_and_two_parts_are_there():
    assert run_sweep(FOLDER, "whole", TEXT) == WHOLE
    part("first", 5)
    part("second", 12)


@sentence
def two_halves_of_a_sweep_are_equal_to_an_undisturbed_run():
    with h5py.File(WHOLE) as file:
        rows = numpy.arange(len(file["stages/mark"]))
    even, odd = copy_of(WHOLE, "even"), copy_of(WHOLE, "odd")
    merged, ended = merge("halves", forget(even, rows % 2 == 1), forget(odd, rows % 2 == 0))
    assert f"{(len(rows) + 1) // 2} of {len(rows)} stages" in ended.out, ended
    expect_equal(WHOLE, merged)
    assert done(merged) == len(rows)
    again = palimpsest("run", FOLDER / "first.yaml", "-o", merged)
    assert again.status == 0, again
    expect_equal(WHOLE, merged)


@sentence
def a_run_goes_on_from_two_stopped_runs():
    merged, _ = merge("stopped", FIRST, SECOND)
    assert done(merged) >= max(done(FIRST), done(SECOND))
    ended = palimpsest("run", FOLDER / "first.yaml", "-o", merged)
    assert ended.status == 0, ended
    expect_equal(WHOLE, merged)


@sentence
def the_order_of_the_files_changes_nothing():
    files = [merge(f"order {number}", *order)[0] for number, order in enumerate(((FIRST, SECOND), (SECOND, FIRST)))]
    expect_equal(*files)


@sentence
def rows_that_were_begun_and_not_committed_are_left_out():
    ragged = copy_of(FIRST, "ragged")
    with h5py.File(ragged, "r+") as file:
        scores = file["second_accuracy_first"][()]
        scores[numpy.isnan(scores)] = 0.5
        file["second_accuracy_first"][...] = scores
    merged, _ = merge("smooth", ragged, SECOND)
    expect_equal(FOLDER / "order 0.h5", merged)


@sentence
def a_damaged_row_is_taken_from_the_other_file():
    damaged = copy_of(WHOLE, "damaged")
    with h5py.File(damaged, "r+") as file:
        file["initial_lm_loss"][...] = file["initial_lm_loss"][()] + 1
    merged, ended = merge("mended", damaged, copy_of(WHOLE, "sound"))
    assert "rows disagree with their checksums and are not taken" in ended.err, ended
    expect_equal(WHOLE, merged)


@sentence
def two_records_of_one_stage_are_an_error_that_names_the_stage_and_both_files():
    wrong = copy_of(WHOLE, "wrong")
    with h5py.File(wrong) as file:
        row = int(file["stages/row_of_first"][0])
    plant_in_first(wrong, row, "accuracy")
    _, ended = merge("conflict", WHOLE, wrong, status=2)
    assert f"stage {row} (fine-tuning first, state " in ended.err, ended
    assert str(WHOLE) in ended.err and str(wrong) in ended.err, ended


@sentence
def files_of_two_sweeps_are_refused_with_what_differs():
    other = run_sweep(FOLDER, "other", sweep_text(steps=6, size="[nano]", tokens="[0]", variety="[1]", seed=1))
    _, ended = merge("mixture", WHOLE, other, status=2)
    assert "was: finetune.steps" in ended.err and "is:  finetune.steps" in ended.err, ended


@sentence
def what_diverged_in_both_files_stays_so_with_what_was_skipped():
    diverging = sweep_text(steps=6, size="[nano]", tokens="[0]", variety="[1]", seed=1, rate="2e-3, epsilon: 1e-300")
    failed = run_sweep(FOLDER, "failed", diverging, status=1)
    merged, _ = merge("failed twice", failed, copy_of(failed, "failed too"))
    expect_equal(failed, merged)


@sentence
def a_file_that_is_there_one_file_alone_and_one_file_twice_are_refused():
    before = fingerprint(WHOLE)
    for arguments, text in (((FIRST, SECOND, "-o", WHOLE), "is there already"),
                            ((FIRST, "-o", FOLDER / "new.h5"), "with what?"),
                            ((FIRST, SECOND), "where to?"),
                            ((FIRST, FIRST, "-o", FOLDER / "new.h5"), "are one file")):
        ended = palimpsest("merge", *arguments)
        assert ended.status == 2 and text in ended.err, ended
    assert fingerprint(WHOLE) == before and not (FOLDER / "new.h5").exists()


if __name__ == "__main__":
    run_sentences()

"""run --reuse: a changed sweep in a new results file computes only what no earlier file holds, and ends with the bits of
a run that computed everything."""

import hashlib
import os
import re
import shutil
import signal
import time

import h5py
import numpy

from tiny_sweeps import (checkpoint, expect_equal, found, palimpsest, run_sweep, scratch_folder, start, state_ids,
                         status_of, sweep_text, variable)
from sentences import run_sentences, sentence

FOLDER = scratch_folder()
SMALL = {"size": "[nano]", "tokens": "[0, 2Ki]", "variety": "[1]", "seed": 1, "steps": 6}
OLD = FOLDER / "old.h5"
DONE, MARK_STATUS = 2, 0


def fingerprint(results):
    """Of every byte of a results file and its checkpoints, with their times: nothing of it may change."""
    files = [results, *sorted(results.with_suffix(".stages").iterdir())]
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns) for file in files]


def reuse(name, *olds, status=0, options=(), **changes):
    """Runs the sweep SMALL with changes into NAME.h5, taking from these files; the results, what the log said, and the
    optimiser steps that were made."""
    sweep, results = FOLDER / f"{name}.yaml", FOLDER / f"{name}.h5"
    sweep.write_text(sweep_text(**{**SMALL, **changes}))
    taking = [part for old in olds for part in ("--reuse", old)]
    done = palimpsest("run", sweep, "-o", results, *taking, *options)
    assert done.status == status, done
    return results, done


def steps(done):
    return int(re.search(r"optimiser steps +(\d+) in this run", done.out).group(1))


def taken(done):
    """Records and states, over all files."""
    pairs = re.findall(r"(\d+) records and (\d+) states taken", done.err)
    return tuple(sum(int(pair[i]) for pair in pairs) for i in (0, 1))


def afresh(name, **changes):
    return run_sweep(FOLDER, f"{name} afresh", sweep_text(**{**SMALL, **changes}))


def rows(results):
    return len(state_ids(results))


def reasons(results):
    return [row["reason"].decode() for row in variable(results, "provenance/stage")]


def common(a, b):
    with h5py.File(a) as first, h5py.File(b) as second:
        ids = [{bytes(row) for row in file["stages/record_id"][()]} for file in (first, second)]
    return len(ids[0] & ids[1])


def copy_of_old(name):
    results = FOLDER / f"{name}.h5"
    shutil.copy(OLD, results)
    shutil.copytree(OLD.with_suffix(".stages"), results.with_suffix(".stages"))
    return results


@sentence
def an_old_file_is_there():
    run_sweep(FOLDER, "old", sweep_text(**SMALL))


@sentence
def more_seeds_take_every_stage_of_the_old_ones():
    before = fingerprint(OLD)
    results, done = reuse("seeds", OLD, seed=2)
    fresh = afresh("seeds", seed=2)
    expect_equal(fresh, results)
    assert taken(done)[0] == rows(OLD) == common(OLD, results) and taken(done)[1] > 0, done.err
    assert steps(done) == 8 + 4 * 2 * 6, steps(done)  # the pretraining and the four fine-tunings on two amounts, of seed 2
    assert sum(reason.startswith(f"reused from {OLD}") for reason in reasons(results)) == rows(OLD)
    assert fingerprint(OLD) == before


@sentence
def one_more_size_of_more_layers_lengthens_the_records_that_are_taken():
    results, done = reuse("sizes", OLD, size="[nano, micro]")
    expect_equal(afresh("sizes", size="[nano, micro]"), results)
    assert taken(done)[0] == rows(OLD), done.err


@sentence
def a_size_and_an_amount_less_shorten_the_records_that_are_taken():
    wide, _ = reuse("wide", OLD, size="[nano, micro]", tokens="[0, 2Ki, 4Ki]")
    results, done = reuse("narrow", wide, size="[nano]", tokens="[2Ki]")
    expect_equal(afresh("narrow", size="[nano]", tokens="[2Ki]"), results)
    assert steps(done) == 0 and taken(done)[0] >= rows(results) - 1, done.err  # of the initial state one group less


@sentence
def one_more_amount_goes_on_from_the_trunk_that_was_kept():
    results, done = reuse("amounts", OLD, tokens="[0, 2Ki, 4Ki]")
    expect_equal(afresh("amounts", tokens="[0, 2Ki, 4Ki]"), results)
    assert steps(done) == 16 - 6 + 4 * 6, steps(done)  # trunk from step 6 to 13, cooldown of 3, four fine-tunings


@sentence
def another_evaluation_measures_the_kept_states_and_trains_only_what_was_not_kept():
    results, done = reuse("evaluated", OLD, items=32)
    expect_equal(afresh("evaluated", items=32), results)
    assert taken(done) == (0, 2), done.err
    assert steps(done) == 4 * 2 * 6, steps(done)
    everything = run_sweep(FOLDER, "everything", sweep_text(**SMALL), "--keep", "all")
    again, done = reuse("only measured", everything, items=32)
    expect_equal(results, again)
    assert taken(done)[1] == rows(OLD) and steps(done) == 0, done


@sentence
def an_instrument_less_keeps_all_states_kept_and_changes_no_other_number():
    sweep = FOLDER / "plain.yaml"
    sweep.write_text(sweep_text(**SMALL).replace("measure: [curves]", "measure: []"))
    results = FOLDER / "plain.h5"
    done = palimpsest("run", sweep, "-o", results, "--reuse", OLD)
    assert done.status == 0 and taken(done)[0] == 0 and taken(done)[1] > 0, done
    numpy.testing.assert_array_equal(variable(OLD, "second_accuracy_first"), variable(results, "second_accuracy_first"))


@sentence
def two_old_files_both_give_what_they_have():
    other = run_sweep(FOLDER, "other seed", sweep_text(**{**SMALL, "seed": "[2]"}))
    results, done = reuse("both", OLD, other, seed="[0, 1, 2]")
    assert taken(done)[0] == rows(other) + common(OLD, results), done.err
    expect_equal(afresh("both", seed="[0, 1, 2]"), results)


@sentence
def the_same_command_again_takes_nothing_and_computes_nothing():
    before = (FOLDER / "seeds.h5").read_bytes()
    _, done = reuse("seeds", OLD, seed=2)
    assert taken(done) == (0, 0), done.err
    assert (FOLDER / "seeds.h5").read_bytes() == before


@sentence
def without_sharing_every_cell_finds_the_checkpoints_under_its_own_number():
    results, done = reuse("alone", OLD, tokens="[0, 2Ki, 4Ki]", options=("--no-sharing",))
    assert taken(done)[0] == rows(OLD), done.err
    expect_equal(FOLDER / "amounts.h5", results)
    again, done = reuse("from alone", results, seed=2)
    expect_equal(FOLDER / "seeds.h5", again)
    assert taken(done)[0] == rows(OLD), done.err


@sentence
def damaged_rows_of_the_old_file_are_counted_and_computed_again():
    old = copy_of_old("damaged")
    with h5py.File(old, "r+") as file:
        scores = file["second_accuracy_first"]
        places = scores[()]
        places.flat[0] += 0.25
        scores[()] = places
        mark = file["stages/mark"][()]
        mark[1, 1] ^= numpy.uint64(1)
        file["stages/mark"][()] = mark
    results, done = reuse("from damaged", old, seed=2)
    assert "2 rows disagree with their checksums and are not taken" in done.err, done.err
    assert taken(done)[0] == rows(OLD) - 2, done.err
    expect_equal(FOLDER / "seeds.h5", results)


@sentence
def damaged_and_exchanged_checkpoints_of_the_old_file_harm_nothing():
    old = copy_of_old("spoilt")
    shutil.copytree((FOLDER / "everything.h5").with_suffix(".stages"), old.with_suffix(".stages"), dirs_exist_ok=True)
    files = sorted(old.with_suffix(".stages").iterdir())
    assert len(files) >= 3, files
    content = bytearray(files[0].read_bytes())
    content[len(content) // 2] ^= 1
    files[0].write_bytes(content)                       # damaged
    files[1].write_bytes(files[1].read_bytes()[:1000])  # cut short
    files[2].write_bytes(files[1].read_bytes())         # another's
    before = fingerprint(old)
    results, _ = reuse("from spoilt", old, seed=2, tokens="[0, 2Ki, 4Ki]")
    expect_equal(afresh("spoilt", seed=2, tokens="[0, 2Ki, 4Ki]"), results)
    assert fingerprint(old) == before  # replacing a shared file never changes the other name's bytes


@sentence
def a_checkpoint_measured_under_other_settings_is_not_taken_for_a_finished_stage():
    """The old rows with the checkpoints of a run that evaluated otherwise."""
    measured, _ = reuse("measured otherwise", OLD, items=32, options=("--keep", "all"))
    old = copy_of_old("mixed")
    for file in old.with_suffix(".stages").iterdir():
        shutil.copy(measured.with_suffix(".stages") / file.name, file)
    results, done = reuse("from mixed", old, tokens="[0, 2Ki, 4Ki]")
    records, states = taken(done)
    assert records == rows(OLD) and states == 0, done.err
    expect_equal(FOLDER / "amounts.h5", results)


@sentence
def an_old_file_of_another_sweep_is_said_to_hold_nothing():
    results, done = reuse("unrelated", OLD, seed="[7]")
    assert taken(done) == (0, 0) and "no stage of this sweep is in it" in done.err, done.err
    expect_equal(afresh("unrelated", seed="[7]"), results)


@sentence
def another_numerics_class_is_named_and_nothing_is_taken():
    old = run_sweep(FOLDER, "class", sweep_text(**SMALL), "--numerics", "Nehalem")
    _, done = reuse("from class", old)
    assert "it was computed in numerics class OpenBLAS" in done.err and "Nehalem" in done.err, done.err
    assert taken(done) == (0, 0), done.err


@sentence
def a_file_cannot_be_reused_for_itself_and_is_not_thrown_away():
    before = fingerprint(OLD)
    link = FOLDER / "link.h5"
    link.symlink_to(OLD)
    for name in (OLD, link):
        sweep = FOLDER / "self.yaml"
        sweep.write_text(sweep_text(**SMALL))
        done = palimpsest("run", sweep, "-o", OLD, "--fresh", "--reuse", name)
        assert done.status == 2 and "is the file that is being written" in done.err, done
    assert fingerprint(OLD) == before


@sentence
def an_old_file_that_is_missing_or_no_results_is_refused_before_anything_is_made():
    for old, status, text in ((FOLDER / "nowhere.h5", 3, "cannot be opened"), (FOLDER / "seeds.yaml", 2, "not an HDF5")):
        results, done = reuse("refused", old, status=status)
        assert text in done.err and not results.exists(), done


@sentence
def an_old_file_of_an_earlier_format_or_that_was_changed_is_refused_with_a_sentence():
    old = copy_of_old("earlier")
    with h5py.File(old, "r+") as file:
        file.attrs["format_version"] = numpy.int32(1)
    results, done = reuse("from earlier", old, status=3)
    assert "was changed by another program" in done.err or "another program has added" in done.err, done
    assert not results.exists()
    said = palimpsest("status", old)
    assert said.status == 2 and "is written in format version 1; this program reads version 2" in said.err, said


def kill_while_taking(sweep, results, old, seconds):
    """Kills the run so long after its first checkpoint has come; how many states and rows it had taken."""
    folder = results.with_suffix(".stages")
    process = start("run", sweep, "-o", results, "--reuse", old)
    limit = time.monotonic() + 60
    while not folder.exists() and process.poll() is None and time.monotonic() < limit:
        pass
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(list(folder.glob("*.h5"))), int((variable(results, "stages/mark")[:, MARK_STATUS] == DONE).sum())


@sentence
def a_run_that_is_killed_while_it_takes_goes_on_and_takes_the_rest():
    old = run_sweep(FOLDER, "large", sweep_text(steps=6, seed=2, size="[micro]"), "--keep", "all")
    kept, committed = len(list(old.with_suffix(".stages").iterdir())), rows(old)
    sweep = FOLDER / "killed.yaml"
    sweep.write_text(sweep_text(steps=6, seed="[1, 2, 5]", size="[micro]"))
    fresh = run_sweep(FOLDER, "killed afresh", sweep_text(steps=6, seed="[1, 2, 5]", size="[micro]"))
    among_states = among_rows = 0
    for number in range(40):
        results = FOLDER / f"killed {number}.h5"
        states, marked = kill_while_taking(sweep, results, old, 0.0005 * number)
        middle = 0 < states < kept and marked == 0, 0 < marked < committed
        if (middle[0] and among_states < 2) or (middle[1] and among_rows < 2):
            done = palimpsest("run", sweep, "-o", results, "--reuse", old)
            assert done.status == 0 and taken(done)[0] == committed - marked, done
            expect_equal(fresh, results)
            among_states += middle[0]
            among_rows += middle[1]
        if among_states >= 1 and among_rows >= 1:
            break
    print(f"{among_states} kills among the states, {among_rows} among the rows")
    assert among_states + among_rows >= 1, "no kill hit the middle"


@sentence
def an_old_file_that_another_run_is_writing_gives_what_is_committed():
    sweep, old = FOLDER / "writing.yaml", FOLDER / "writing.h5"
    sweep.write_text(sweep_text(steps=60, seed=2))
    process = start("run", sweep, "-o", old)
    limit = time.monotonic() + 60
    while time.monotonic() < limit and (not old.exists() or found(status_of(old), "done") < 5):
        time.sleep(0.02)
    assert process.poll() is None
    results, done = reuse("from writing", old, steps=60, size="[nano, micro]", tokens="[0, 2Ki, 4Ki]",
                          variety="[1, 2]", seed="[0, 1, 5]")
    assert process.wait(timeout=200) == 0
    assert taken(done)[0] >= 5, done.err
    expect_equal(run_sweep(FOLDER, "writing afresh", sweep_text(steps=60, seed="[0, 1, 5]")), results)


@sentence
def checkpoints_share_their_bytes_with_the_old_file_where_the_file_system_can():
    shared = [name for name in state_ids(FOLDER / "seeds.h5")
              if checkpoint(FOLDER / "seeds.h5", name).exists() and checkpoint(OLD, name).exists()]
    assert shared
    assert all(os.path.samefile(checkpoint(FOLDER / "seeds.h5", name), checkpoint(OLD, name)) for name in shared)


if __name__ == "__main__":
    run_sentences()

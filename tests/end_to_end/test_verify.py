"""verify: checksums of everything, and stages computed again: a wrong bit is found even where its checksum is right."""

import hashlib
import shutil

import h5py
import numpy

from tiny_sweeps import checkpoint, palimpsest, run_sweep, scratch_folder, state_ids, sweep_text, variable
from sentences import run_sentences, sentence
from forgery import places_of, plant_in_checkpoint, plant_in_first

FOLDER = scratch_folder()
TEXT = sweep_text(size="[nano]", tokens="[0, 2Ki, 4Ki]", variety="[1]", seed=1, steps=6)
GOOD = FOLDER / "good.h5"
ALL = ("--stages", 1000)
KINDS = {"initial": 0, "trunk": 1, "cooldown": 2, "fine-tuning": 3}


def fingerprint(results):
    files = [results, *sorted(results.with_suffix(".stages").iterdir())]
    return [(file.name, hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_mtime_ns) for file in files]


def copy_of_good(name):
    results = FOLDER / f"{name}.h5"
    shutil.copy(GOOD, results)
    shutil.copytree(GOOD.with_suffix(".stages"), results.with_suffix(".stages"))
    return results


def verify(results, *options, status=0):
    before = fingerprint(results)
    done = palimpsest("verify", results, *options)
    assert done.status == status, done
    assert fingerprint(results) == before, "verify writes nothing"
    return done.out


def counts(out):
    """The last line."""
    return out.strip().splitlines()[-1].split(": ", 1)[1]


def rows_of_kind(results, kind, place=-1):
    return [int(row) for row in numpy.flatnonzero((variable(results, "stages/kind") == KINDS[kind]) &
                                                  (variable(results, "stages/place") == place))]


@sentence
def all_stages_of_a_good_file_are_equal():
    assert run_sweep(FOLDER, "good", TEXT) == GOOD
    total, kept = len(state_ids(GOOD)), len(list(GOOD.with_suffix(".stages").iterdir()))
    out = verify(GOOD, *ALL)
    assert counts(out) == (f"{total} rows (0 damaged) and {kept} checkpoints (0 damaged) by checksum; "
                           f"{total} stages computed again: {total} equal, 0 different"), out
    assert out.count("and the checkpoint") == kept and out.count("    equal: ") == total, out
    assert out.startswith(f"computes {total} of {total} committed stages again, and "), out


@sentence
def the_seed_settles_which_stages_are_drawn():
    drawn = [[line for line in verify(GOOD, "--stages", 4, "--seed", seed).splitlines() if line.startswith("stage ")]
             for seed in (5, 5, 6, 7)]
    assert drawn[0] == drawn[1] and len(drawn[0]) == 4
    assert drawn[2] != drawn[0] or drawn[3] != drawn[0], "seeds draw different stages"
    assert verify(GOOD).count("\nstage ") == 3


@sentence
def a_planted_bit_in_a_row_with_a_right_checksum_is_found_and_named():
    results = copy_of_good("row")
    row = rows_of_kind(results, "fine-tuning", 0)[2]
    before = variable(results, "first_lm_loss")
    plant_in_first(results, row, "lm_loss")
    out = verify(results, *ALL, status=1)
    assert "(0 damaged)" in counts(out) and counts(out).endswith(" equal, 1 different"), out
    with h5py.File(results) as file:
        place = places_of(file, "first", row)[0]
        shape = file["first_lm_loss"].shape
    index = [int(i) for i in numpy.unravel_index(place, shape[:-1])] + [0]
    stored, computed = variable(results, "first_lm_loss")[tuple(index)], before[tuple(index)]
    said = next(line for line in out.splitlines() if "first_lm_loss" in line)
    assert f"first_lm_loss[{', '.join(map(str, index))}]: stored {stored:.17g} " in said, said
    assert f"computed {computed:.17g} " in said, said
    assert f"stage {row} (fine-tuning first, state {state_ids(results)[row]})" in out, out


@sentence
def a_planted_bit_in_a_checkpoint_with_a_right_checksum_is_found_and_named():
    """In the state itself, and in what is computed from it."""
    results = copy_of_good("state")
    row = rows_of_kind(results, "cooldown")[0]
    plant_in_checkpoint(checkpoint(results, state_ids(results)[row]), "wte.weight")
    out = verify(results, *ALL, status=1)
    assert "(0 damaged) by" in counts(out), out
    head, tail = out.split(f"stage {row} (cooldown", 1)
    report = tail.split("\nstage ", 1)[0]
    assert "checkpoint wte.weight[0, 0]: stored " in report and "DIFFERENT" in report, report
    assert "DIFFERENT" not in head and "DIFFERENT" in tail.split("\nstage ", 1)[1], out


@sentence
def a_row_and_checkpoints_that_disagree_with_their_checksums_are_named():
    results = copy_of_good("damaged")
    with h5py.File(results, "r+") as file:
        file["initial_lm_loss"][...] = file["initial_lm_loss"][()] + 1
    files = sorted(results.with_suffix(".stages").iterdir())
    content = bytearray(files[0].read_bytes())
    content[-1] ^= 1
    files[0].write_bytes(content)
    files[1].write_bytes(files[1].read_bytes()[:600])
    out = verify(results, "--stages", 0, status=1)
    assert "stage 0 (initial, state " in out and "DAMAGED: its row disagrees" in out, out
    assert out.count("checkpoint ") == 2 and str(files[0]) in out and str(files[1]) in out, out
    assert "(1 damaged) and" in counts(out) and "(2 damaged) by checksum; 0 stages" in counts(out), out
    out = verify(results, *ALL, status=1)  # what they were needed for is computed from the states before them
    assert counts(out).endswith(" equal, 0 different"), out


@sentence
def a_file_without_checkpoints_is_computed_from_its_roots():
    results = run_sweep(FOLDER, "bare", TEXT, "--keep", "none")
    shutil.rmtree(results.with_suffix(".stages"), ignore_errors=True)
    results.with_suffix(".stages").mkdir()
    out = verify(results, *ALL)
    assert "and 0 checkpoints" in counts(out) and counts(out).endswith(" equal, 0 different"), out


@sentence
def a_diverged_stage_is_verified_by_diverging_again():
    text = sweep_text(size="[nano]", tokens="[0]", variety="[1]", seed=1, steps=6, rate="2e-3, epsilon: 1e-300")
    results = run_sweep(FOLDER, "diverged", text, status=1)
    out = verify(results, *ALL)
    assert "3 stages computed again: 3 equal" in counts(out), out  # the initial one and two first tasks


@sentence
def without_sharing_every_copy_of_a_checkpoint_is_compared():
    results = run_sweep(FOLDER, "alone", TEXT, "--no-sharing", "--keep", "all")
    row = rows_of_kind(results, "cooldown")[0]
    copies = sorted(results.with_suffix(".stages").glob(f"{state_ids(results)[row]}-*.h5"))
    assert len(copies) == 2, copies
    assert counts(verify(results, *ALL)).endswith(" equal, 0 different")
    plant_in_checkpoint(copies[1], "wte.weight")
    assert f"stage {row} (cooldown" in verify(results, *ALL, status=1)


@sentence
def a_sweep_that_is_not_the_files_own_is_refused_with_what_differs():
    other = FOLDER / "other.yaml"
    other.write_text(TEXT.replace("batch: 8", "batch: 4"))
    done = palimpsest("verify", GOOD, "--sweep", other)
    assert done.status == 2 and "was: pretrain.batch" in done.err and "is:  pretrain.batch" in done.err, done
    other.write_text(TEXT)
    assert palimpsest("verify", GOOD, "--sweep", other).status == 0


@sentence
def what_is_not_a_results_file_is_refused():
    for file, status in ((FOLDER / "nowhere.h5", 3), (FOLDER / "sweep.yaml", 2)):
        assert palimpsest("verify", file).status == status


if __name__ == "__main__":
    run_sentences()

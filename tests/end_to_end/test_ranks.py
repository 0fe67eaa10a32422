"""The numbers of a sweep do not depend on how it is carried out: ranks, mpirun, sharing."""

from tiny_sweeps import dimensions, difference, expect_equal, found, run_sweep, scratch_folder, status_of, sweep_text, variable
from sentences import run_sentences, sentence

import h5py
import numpy

FOLDER = scratch_folder()
ALONE = FOLDER / "alone.h5"


@sentence
def a_sweep_runs_without_mpirun():
    assert run_sweep(FOLDER, "alone", sweep_text()) == ALONE
    forgetting = variable(ALONE, "forgetting_drop")
    assert forgetting.shape == (2, 3, 2, 2, 2), forgetting.shape
    assert dimensions(ALONE, "forgetting_drop") == ["size", "tokens", "variety", "pair", "seed"]
    assert numpy.isfinite(forgetting).all(), forgetting


@sentence
def the_comparison_notices_one_changed_number():
    changed = FOLDER / "changed.h5"
    changed.write_bytes(ALONE.read_bytes())
    with h5py.File(changed, "r+") as file:
        file["forgetting_drop"][1, 2, 1, 1, 1] = numpy.nextafter(file["forgetting_drop"][1, 2, 1, 1, 1], 9)
    assert difference(ALONE, changed)


def same_on(ranks, *options):
    expect_equal(ALONE, run_sweep(FOLDER, f"ranks {ranks} {' '.join(options)}", sweep_text(), *options, ranks=ranks))


@sentence
def one_rank_gives_the_same_file():
    same_on(1)


@sentence
def two_ranks_give_the_same_file():
    same_on(2)


@sentence
def three_ranks_give_the_same_file():
    same_on(3)


@sentence
def five_ranks_give_the_same_file():
    same_on(5)


ALL = {"measure": "all", "size": "[nano, micro]", "tokens": "[0, 2Ki]", "variety": "[2]", "seed": 1,
       "more": "probes: {items: 64}\nsimilarity: {stimuli: 40}\n"}


@sentence
def all_instruments_together_give_the_same_file_on_any_number_of_ranks():
    alone = run_sweep(FOLDER, "all instruments", sweep_text(**ALL))
    assert dimensions(alone, "first_probe_accuracy_last")[-2:] == ["layer", "probed"]
    for name in ("pretrained_probe_accuracy_mean", "second_rsa_mean", "second_cka_last"):
        values = variable(alone, name)
        assert ((values >= 0) & (values <= 1)).any(), (name, values)
    assert dimensions(alone, "second_restored_lm_loss") == ["size", "tokens", "variety", "pair", "seed", "restored"]
    assert dimensions(alone, "pretrained_zero_shot_accuracy") == ["size", "tokens", "variety", "seed", "prompt"]
    assert dimensions(alone, "second_layer_gradient_cosine_start_first")[-1] == "layer"
    for name in ("second_noise_loss", "second_gradient_cosine_pretrained_first", "second_lost_items_first"):
        assert numpy.isfinite(variable(alone, name)).all(), name
    with h5py.File(alone, "r") as file:
        assert "first_lost_items" not in file and "second_lost_items_second" not in file
        assert list(file["restored"]) == [0, 1, 2, 3] and list(file["prompt"].asstr()) == ["tense", "subject_number"]
    for ranks in (1, 2, 3, 5):
        expect_equal(alone, run_sweep(FOLDER, f"all instruments {ranks}", sweep_text(**ALL), ranks=ranks))


@sentence
def no_sharing_gives_the_same_file_for_more_steps():
    results = run_sweep(FOLDER, "no sharing", sweep_text(), "--no-sharing")
    expect_equal(ALONE, results)
    assert found(status_of(results), "steps_executed") > found(status_of(ALONE), "steps_executed")


@sentence
def no_sharing_on_three_ranks_gives_the_same_file():
    same_on(3, "--no-sharing")


if __name__ == "__main__":
    run_sentences()

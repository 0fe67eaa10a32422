"""The answer that sweeps/quickstart.yaml gives: pretraining teaches, tasks are learnt because of it, and are forgotten."""

import os

import numpy
import xarray

from tiny_sweeps import ROOT, palimpsest, scratch_folder
from sentences import run_sentences, sentence

RESULTS = scratch_folder() / "quickstart.h5"
SEEDS = 5
T_95_FOUR_DEGREES = 2.7764  # Student's t for five seeds, two-sided


def dataset():
    if not RESULTS.exists():
        done = palimpsest("run", ROOT / "sweeps" / "quickstart.yaml", "-o", RESULTS, ranks=os.cpu_count() + 1, seconds=1500)
        assert done.status == 0, done
    return xarray.open_dataset(RESULTS)


@sentence
def the_largest_model_pretrained_longest_learns_every_task_and_the_untrained_one_does_not():
    accuracy = dataset().first_accuracy.isel(size=-1).mean(("variety", "seed"))
    chance = 0.5  # all tasks of the quickstart have two balanced classes
    for task in accuracy.task.values:
        longest, untrained = (float(accuracy.sel(task=task).isel(tokens=place)) for place in (-1, 0))
        assert longest >= chance + 0.2, (task, longest)
        assert untrained < longest - 0.1, (task, untrained, longest)


@sentence
def learning_a_second_task_makes_models_forget_the_first():
    forgetting = dataset().forgetting.sel(pair="bigram_shift>tense")
    seeds = forgetting.mean([name for name in forgetting.dims if name != "seed"]).values
    assert len(seeds) == SEEDS and numpy.isfinite(seeds).all(), seeds
    half = T_95_FOUR_DEGREES * seeds.std(ddof=1) / numpy.sqrt(SEEDS)
    assert seeds.min() > 0.1 and seeds.mean() - half > 0, seeds


@sentence
def the_longest_amount_leaves_at_most_half_the_loss_above_the_entropy_floor_of_the_shortest_for_every_seed():
    results = dataset()
    excess = (results.pretrained_lm_loss - results.lm_floor).where(results.domain_read == 1).mean("domain")
    for shortest in (0, 1):  # untrained, and the shortest that trains at all
        ratio = (excess.isel(tokens=-1) / excess.isel(tokens=shortest)).values
        assert (ratio > 0).all() and (ratio <= 0.5).all(), ratio


if __name__ == "__main__":
    run_sentences()

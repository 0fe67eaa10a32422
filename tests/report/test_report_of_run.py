"""The report of a sweep that the program itself has run: every section the file has instruments for, the same means as in the
file, at any moment, and two runs side by side."""

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(sys.argv[1], "tests", "end_to_end")), str(Path(sys.argv[1], "tools"))]
from tiny_sweeps import ROOT, palimpsest, run_sweep, scratch_folder, sweep_text  # noqa: E402
import palimpsest_results  # noqa: E402
from palimpsest_report import results_file, verdicts  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

HERE = scratch_folder()
SEEDS = 3


def results():
    path = HERE / "run.h5"
    return path if path.exists() else run_sweep(HERE, "run", sweep_text(seed=SEEDS, steps=60, rate="5e-3", variety="[1, 4]"))


def report(*arguments):
    return subprocess.run([ROOT / "tools" / "report", *map(str, arguments)], capture_output=True, text=True, check=False,
                          env={**os.environ, "PALIMPSEST_PYTHON": sys.executable})


@sentence
def the_page_of_a_run_has_its_verdicts_figures_and_certificate():
    path = results()
    done = report(path, "-o", HERE / "run.html")
    assert done.returncode == 0 and done.stderr == "", done
    for claim in ("Larger forgets less", "Longer forgets less", "More varied forgets less", "Lm loss is enough"):
        assert f"{claim}: undecided." in done.stdout, done.stdout  # three seeds are fewer than the rule asks for
    names = {figure.stem for figure in (HERE / "run-figures").glob("*.svg")}
    assert {"forgetting", "map", "lm_retention", "curves", "matrix", "weights", "failed_runs_A", "failed_runs_B", "cost"} <= names, names
    text = (HERE / "run.html").read_text()
    assert "steps of the minimal tree" in text and "finetune.learning_rate" in text


@sentence
def what_the_file_says_of_itself_is_read_as_it_is():
    loaded = results_file.load(results())
    assert [claim.name for claim in loaded.claims] == ["larger_forgets_less", "longer_forgets_less", "more_varied_forgets_less",
                                                       "lm_loss_is_enough"]
    assert loaded.claims[0].reading == "same_training", "the frontier was off"
    assert loaded.claims[0].minimum_seeds == 5 and loaded.claims[3].statistic == "residual_given_lm_loss"
    assert loaded.tasks["tense"].classes == 2 and loaded.tasks["tense"].items == 64 and loaded.tasks["tense"].chance == 0.5
    assert list(loaded.statuses) == ["done"] and loaded.certificates[0]["stages_done"] == loaded.statuses["done"]
    assert loaded.setting("finetune.steps").startswith("60") and loaded.setting("no.such.setting") is None
    size = loaded.data["parameters_non_embedding"]
    assert size.dims == ("size",) and (size.diff("size") > 0).all()


@sentence
def slopes_are_those_by_hand_from_the_raw_scores():
    """Drop of accuracy along size, two sizes: one difference over one number of doublings, amount 0 left out."""
    import numpy
    from dataclasses import replace
    loaded = results_file.load(results())
    loaded.claims = [replace(loaded.claims[0], outcome="forgetting_drop", minimum_seeds=2)]
    estimate = verdicts.judge(loaded)[0].evidence.estimates[0]
    data = loaded.data
    drop = (data["first_accuracy"].sel(task=data["pair_first"]) - data["second_accuracy_first"]).isel(tokens=slice(1, None))
    apart = drop.isel(size=1) - drop.isel(size=0)
    doublings = float(numpy.log2(data["parameters_non_embedding"][1] / data["parameters_non_embedding"][0]))
    by_hand = apart.mean([name for name in apart.dims if name != "seed"]).values / doublings
    numpy.testing.assert_allclose(estimate.values, by_hand, atol=1e-12)


@sentence
def means_of_the_module_are_those_of_the_summary():
    said = palimpsest("summary", results(), "--csv", "--by", "size", "--metric", "second_lm_rise")
    assert said.status == 0, said
    means = {line["value"]: float(line["mean"]) for line in csv.DictReader(io.StringIO(said.out)) if line["axis"] == "size"}
    answer = palimpsest_results.lm_retention(palimpsest_results.open(results()), by="size")
    assert len(means) == len(answer["size"]) > 1, means
    for size, rise in zip(answer["size"].values, answer["rise"].values):
        assert abs(rise - means[str(size)]) < 1e-9, (size, rise, means)


@sentence
def another_seed_of_the_world_is_not_mixed_with_this_one():
    text = sweep_text(seed=SEEDS, steps=60, rate="5e-3", variety="[1, 4]").replace("seed: 1}", "seed: 2}")
    assert "seed: 2}" in text
    other = run_sweep(HERE, "other", text)
    done = report(results(), other, "-o", HERE / "never.html")
    assert done.returncode == 2 and "test items of" in done.stderr and "must not be mixed" in done.stderr, done
    same = run_sweep(HERE, "same", sweep_text(seed=SEEDS, steps=30, rate="5e-3", variety="[1, 4]"))
    done = report(results(), same, "-o", HERE / "both.html")
    assert done.returncode == 0 and "finetune.steps" in (HERE / "both.html").read_text(), done


if __name__ == "__main__":
    run_sentences()

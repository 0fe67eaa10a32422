"""Controls, joint training and codelength end to end: the same file on any ranks, both worlds, read by name."""

from tiny_sweeps import dimensions, expect_equal, palimpsest, run_sweep, scratch_folder, sweep_text, variable
from sentences import run_sentences, sentence

import json
import numpy

FOLDER = scratch_folder()
GRAMMAR = sweep_text(size="[nano]", tokens="[0, 2Ki]", variety="[2]", seed=1).replace(
    "measure: [curves]", "measure: [transfer, controls, codelength]\ncodelength: {first: 32, steps: 3}\n"
    "finetune.train_items: 256")
CONTROLS = ("relabelled", "elsewhere", "noise_labels", "more_pretraining", "rate_zero")


def text_sweep(measure):
    """Two corpora and two tasks that counting letters solves."""
    letters = numpy.random.default_rng(7).choice(list("abcdefgh "), size=(2, 30000))
    for name, row in zip(("one", "two"), letters):
        (FOLDER / f"{name}.txt").write_text("\n".join("".join(row[i:i + 60]) for i in range(0, len(row), 60)) + "\n")
    rng = numpy.random.default_rng(8)
    for task, letter in (("has_a", "a"), ("has_b", "b")):
        for part, items in (("train", 300), ("test", 100)):
            lines = set()
            while len(lines) < items:
                words = "".join(rng.choice(list("abcdefgh"), size=12))
                lines.add(f"{'yes' if words.count(letter) > 1 else 'no'}\t{words}")
            (FOLDER / f"{task}.{part}.tsv").write_text("\n".join(sorted(lines, key=lambda line: line[::-1])) + "\n")
    return f"""\
name: text
world:
  kind: text
  corpora: {{one: [one.txt], two: [two.txt]}}
  tasks:
    has_a: {{train: has_a.train.tsv, test: has_a.test.tsv}}
    has_b: {{train: has_b.train.tsv, test: has_b.test.tsv}}
model: {{context: 32, sizes: {{nano: {{layers: 1, width: 16, heads: 2}}}}}}
pretrain: {{batch: 8, warmup: 512}}
finetune: {{batch: 8, steps: 12, learning_rate: 2e-3}}
evaluate: {{items: 64, tokens: 512}}
codelength: {{first: 32, steps: 3}}
axes: {{tokens: [0, 2Ki], variety: [1, 2], seed: 1}}
measure: [{measure}]
"""


@sentence
def every_number_is_there_under_its_name():
    results = run_sweep(FOLDER, "grammar", GRAMMAR)
    for control in CONTROLS:
        along = ["tokens", "pair"] if control == "rate_zero" else ["tokens", "task"]
        for what in ("accuracy", "loss", "lm_rise"):
            name = f"{control}_control_{what}"
            assert [d for d in dimensions(results, name) if d in ("tokens", "pair", "task")] == along, name
            assert numpy.isfinite(variable(results, name)).all(), name
    for name in ("joint_accuracy_first", "joint_accuracy_last", "joint_loss_first", "intransigence", "joint_gap"):
        assert numpy.isfinite(variable(results, name)).all(), name
    numpy.testing.assert_allclose(
        variable(results, "intransigence"),
        variable(results, "joint_accuracy_last") - variable(results, "second_accuracy_second"), atol=1e-12)
    numpy.testing.assert_allclose(
        variable(results, "joint_gap"),
        variable(results, "joint_accuracy_first") - variable(results, "second_accuracy_first"), atol=1e-12)


@sentence
def a_code_adds_up_along_its_blocks():
    results = FOLDER / "grammar.h5"
    for group in ("prequential_first", "prequential_last"):
        cumulative = variable(results, f"{group}_codelength_cumulative")
        items = variable(results, f"{group}_codelength_block_items")
        assert dimensions(results, f"{group}_codelength_cumulative")[-1] == "block"
        assert cumulative.shape[-1] == 4 and (items == [32, 64, 128, 256]).all(), items
        assert (cumulative[..., 0] == 32).all() and (numpy.diff(cumulative) > 0).all()
        codelength = variable(results, f"{group}_codelength")
        assert (codelength == cumulative[..., -1]).all()
        numpy.testing.assert_allclose(variable(results, f"{group}_codelength_per_item"), codelength / 256)
        numpy.testing.assert_allclose(variable(results, f"{group}_codelength_compression"), 256 / codelength)


@sentence
def the_second_task_at_rate_0_leaves_the_first_as_it_was():
    results = FOLDER / "grammar.h5"
    # both pairs of the two tasks: in the order of their first tasks
    assert (variable(results, "rate_zero_control_loss") == variable(results, "first_loss")).all()
    forgetting = variable(results, "rate_zero_control_forgetting")
    assert (forgetting[~numpy.isnan(forgetting)] == 0).all()


@sentence
def any_number_of_ranks_gives_the_same_file():
    for ranks in (1, 2, 3, 5):
        expect_equal(FOLDER / "grammar.h5", run_sweep(FOLDER, f"grammar on {ranks}", GRAMMAR, ranks=ranks))


@sentence
def no_sharing_gives_the_same_file():
    expect_equal(FOLDER / "grammar.h5", run_sweep(FOLDER, "grammar unshared", GRAMMAR, "--no-sharing", ranks=3))


@sentence
def a_text_world_has_all_but_the_control_elsewhere_and_plan_says_so():
    text = text_sweep("transfer, controls, codelength")
    results = run_sweep(FOLDER, "text", text)
    for control in CONTROLS:
        if control == "elsewhere":
            continue
        assert numpy.isfinite(variable(results, f"{control}_control_accuracy")).all(), control
    assert numpy.isfinite(variable(results, "prequential_last_codelength")).all()
    try:
        variable(results, "elsewhere_control_accuracy")
        raise AssertionError("elsewhere is there")
    except KeyError:
        pass
    (FOLDER / "planned.yaml").write_text(text)
    assert "without elsewhere" in palimpsest("plan", FOLDER / "planned.yaml").out
    planned = json.loads(palimpsest("plan", FOLDER / "planned.yaml", "--json").out)
    assert planned["tasks_without_elsewhere"] == ["has_a", "has_b"], planned
    for ranks in (2, 3):
        expect_equal(results, run_sweep(FOLDER, f"text on {ranks}", text, ranks=ranks))


if __name__ == "__main__":
    run_sentences()

"""The tree of stages: nothing is computed twice, a trunk may be cut anywhere, and a task at learning rate 0 changes nothing."""

from tiny_sweeps import checkpoint, found, run_sweep, scratch_folder, state_ids, status_of, sweep_text, variable
from sentences import run_sentences, sentence

import numpy

FOLDER = scratch_folder()
UNCUT = {"tokens": "[4Ki]", "variety": "[2]", "size": "[micro]", "seed": 1, "steps": 4}


@sentence
def steps_executed_are_those_of_the_minimal_tree():
    results = run_sweep(FOLDER, "steps", sweep_text(), ranks=3)
    # For one size and seed: two varieties, each a trunk of 13 steps (amounts 8 and 16 less cooldowns 2 and 3) and its two
    # cooldowns; amount 0 is one state for both varieties; from each of 1 + 2 x 2 states two first and two second tasks.
    pretraining = 2 * (13 + 2 + 3)
    finetuning = (1 + 2 * 2) * (2 + 2) * 12
    expected = 2 * 2 * (pretraining + finetuning)
    status = status_of(results)
    assert found(status, "steps_tree") == expected, (found(status, "steps_tree"), expected)
    assert found(status, "steps_executed") == expected, (found(status, "steps_executed"), expected)


def pretrained(results):
    """State id of the one pretrained state at the longest amount, and the bytes of its checkpoint."""
    kinds, stops = variable(results, "stages/kind"), variable(results, "stages/stop_step")
    cooldowns = [row for row in range(len(kinds)) if kinds[row] == 2]
    row = max(cooldowns, key=lambda r: stops[r])
    assert stops[row] == 16, stops
    state = state_ids(results)[row]
    return state, checkpoint(results, state).read_bytes()


@sentence
def a_trunk_uncut_and_cut_and_cut_later_gives_the_same_ids_and_bits():
    uncut = run_sweep(FOLDER, "uncut", sweep_text(**UNCUT))
    cut = run_sweep(FOLDER, "cut", sweep_text(**{**UNCUT, "tokens": "[2Ki, 4Ki]"}), ranks=3)
    again = run_sweep(FOLDER, "cut again", sweep_text(**{**UNCUT, "tokens": "[2Ki, 3Ki, 4Ki]"}), ranks=2)
    assert pretrained(uncut) == pretrained(cut) == pretrained(again)
    assert set(state_ids(uncut)) <= set(state_ids(cut)) <= set(state_ids(again))
    for name in ("pretrained_lm_loss", "first_accuracy", "second_accuracy_first", "second_lm_loss"):
        one, two, three = (variable(results, name)[:, -1] for results in (uncut, cut, again))
        assert one.tobytes() == two.tobytes() == three.tobytes(), name


@sentence
def a_second_task_at_learning_rate_0_is_forgotten_exactly_0():
    results = run_sweep(FOLDER, "rate 0", sweep_text(second_rate=0, steps=150, size="[micro]", tokens="[2Ki]", seed=1,
                                                     variety="[1]", items=500), ranks=2)
    drop, moved = variable(results, "forgetting_drop"), variable(results, "second_displacement")
    assert (drop == 0).all(), drop
    assert (variable(results, "forgetting_loss_rise") == 0).all()
    forgetting = variable(results, "forgetting")
    assert ((forgetting == 0) | numpy.isnan(forgetting)).all(), forgetting
    assert (moved >= 0).all() and numpy.isfinite(moved).all(), moved


@sentence
def a_second_task_at_a_high_rate_is_not_forgotten_0():
    results = run_sweep(FOLDER, "high rate", sweep_text(second_rate="2e-2", steps=60, size="[micro]", tokens="[2Ki]",
                                                        seed=1, variety="[1]", items=500), ranks=2)
    assert (variable(results, "forgetting_loss_rise") != 0).all()


if __name__ == "__main__":
    run_sentences()

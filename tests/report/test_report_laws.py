"""The tournament of laws on grids whose law is known: who wins, what the parameters' intervals cover, when nothing is fitted."""

import sys
from pathlib import Path

import numpy

ROOT = Path(sys.argv[1])
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import synthetic_results as synthetic  # noqa: E402
from palimpsest_report import laws  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

GRID = synthetic.Grid(sizes={f"s{i}": 2.0**(12 + i) for i in range(7)}, amounts=[0] + [2**(14 + i) for i in range(7)], varieties=[1, 4])
ALPHA, BETA = 0.3, 0.5


def power(number, noise=0.02, grid=GRID):
    random = numpy.random.default_rng([13, number])
    level = 0.2 + 0.4 * 2.0**(-ALPHA * (grid.size + 3)) + 0.3 * 2.0**(-BETA * (grid.tokens + 3)) + numpy.zeros(grid.shape)
    level = level + noise * random.standard_normal(grid.shape)
    return synthetic.results_of(grid, level, synthetic.lm_loss_of(grid, random), numpy.ones(grid.shape, dtype=bool), [], number)


def winner(results):
    return laws.tournament(results).laws[0].name


@sentence
def a_planted_power_law_wins_on_blocks_it_has_not_seen_and_beyond_chance():
    found = laws.tournament(power(0))
    assert found.laws[0].name == "power" and found.held_out == ["the largest size", "the longest amount"]
    assert all(margin.low > 0 for margin in found.margins.values()), found.margins
    assert abs(laws.mean_error(found.laws[0]) - 0.02) < 0.005, "the error on unseen blocks is the noise of a cell"
    said = laws.verdict(found)
    assert "beyond chance better than every other" in said and "2 times the largest size" in said and "says nothing" in said


@sentence
def the_exponents_of_a_planted_power_law_are_covered_by_their_intervals():
    covered, files = {"exponent of size": 0, "exponent of tokens": 0}, 40
    for number in range(files):
        found = laws.tournament(power(number)).laws
        parameters = next(law for law in found if law.name == "power").parameters
        for name, truth in (("exponent of size", ALPHA), ("exponent of tokens", BETA)):
            covered[name] += parameters[name].low <= truth <= parameters[name].high
    assert min(covered.values()) >= 34, covered  # 95 % of 40 is 38; fewer than 34 has probability 0.01


@sentence
def a_planted_u_curve_wins_and_where_there_is_nothing_no_law_does():
    assert sum(winner(synthetic.sweep(n, grid=GRID, curve=0.02)) == "u_curve" for n in range(10)) == 10
    for number in range(10):
        found = laws.tournament(synthetic.sweep(number, grid=GRID))
        said = laws.verdict(found)
        assert "beyond chance better than every other" not in said and "nothing about larger models" in said, said


@sentence
def similarity_of_tasks_wins_where_it_is_all_there_is():
    pairs = [(a, b) for a in synthetic.TASKS for b in synthetic.TASKS if a != b]
    grid = synthetic.Grid(sizes={"a": 4e3, "b": 8e3}, amounts=[0] + [2**(14 + i) for i in range(6)], varieties=[1], pairs=pairs)
    random, similarity = numpy.random.default_rng(6), numpy.linspace(0, 1, len(pairs))
    level = 0.3 + 0.4 * similarity[:, None] + 0.02 * random.standard_normal(grid.shape)
    results = synthetic.results_of(grid, level, synthetic.lm_loss_of(grid, random), numpy.ones(grid.shape, dtype=bool), [], 0)
    assert "similar" not in [law.name for law in laws.tournament(results).laws], "without similarities in the file there is no such law"
    results.data["task_similarity"], results.made = ("pair", similarity), {}
    found = laws.tournament(results)
    similar = next(law for law in found.laws if law.name == "similar")
    assert found.speaks_of == ["tokens"] and similar.parameters["slope"].low < 0.4 < similar.parameters["slope"].high
    assert laws.mean_error(similar) < 1.02 * laws.mean_error(found.laws[0])
    assert "nothing about larger models" in laws.verdict(found)


@sentence
def fewer_than_six_points_fit_no_law():
    found = laws.tournament(synthetic.sweep(0, grid=synthetic.Grid()))
    assert not found.laws and "not enough points: 4 sizes and 4 amounts above 0" in found.trouble
    six = synthetic.Grid(amounts=[0] + [2**(14 + i) for i in range(6)])
    found = laws.tournament(synthetic.sweep(0, grid=six))
    assert found.speaks_of == ["tokens"] and found.held_out == ["the longest amount"]


@sentence
def amounts_in_multiples_of_the_size_are_as_many_points_as_the_axis_has():
    results = synthetic.sweep(0)
    places = numpy.outer(results.data["parameters_non_embedding"].values, [0, 5, 20, 80, 320])
    results.data = results.data.assign_coords(pretraining_tokens=(("size", "tokens"), places))
    assert "4 amounts above 0" in laws.tournament(results).trouble


@sentence
def missing_cells_and_a_missing_seed_leave_the_law_as_it_is():
    results = power(1)
    values = results.data["forgetting"].values.copy()
    values[numpy.random.default_rng(8).random(values.shape) < 0.3] = numpy.nan
    values[..., 4] = numpy.nan
    results.data["forgetting"], results.made = results.data["forgetting"].copy(data=values), {}
    found = laws.tournament(results)
    assert found.laws[0].name == "power" and found.laws[0].parameters["exponent of size"].count == 4


@sentence
def an_exponent_at_the_edge_of_the_search_is_said_to_be_none():
    level = 0.3 + 0.3 * (GRID.size < -2.5) + 0.01 * numpy.random.default_rng(1).standard_normal(GRID.shape)
    results = synthetic.results_of(GRID, level, synthetic.lm_loss_of(GRID, numpy.random.default_rng(2)), numpy.ones(GRID.shape, dtype=bool), [], 0)
    law = next(law for law in laws.tournament(results).laws if law.name == "power")
    assert law.edge


if __name__ == "__main__":
    run_sentences()

"""Verdicts on synthetic sweeps whose truth is known: each verdict, each reason to withhold one, each reading."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy
import xarray

ROOT = Path(sys.argv[1])
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import synthetic_results as synthetic  # noqa: E402
from palimpsest_report import lm_loss, outcomes, verdicts  # noqa: E402
from palimpsest_report.results_file import Claim  # noqa: E402
from sentences import run_sentences, sentence  # noqa: E402

SIZE, TOKENS, VARIETY = synthetic.SLOPES


def judged(results, *claims):
    results.claims, results.made = list(claims or synthetic.SLOPES), {}
    found = verdicts.judge(results)
    return found[0] if len(claims) == 1 else found


def estimate(judgement, name):
    return next(e for e in judgement.evidence.estimates if e.reading.name == name)


# ---- the four verdicts ----

@sentence
def planted_effects_are_supported_and_contradicted_by_their_sign():
    size, tokens, variety = judged(synthetic.sweep(1, size=-0.06, tokens=0.05, variety=-0.04))
    assert (size.verdict, tokens.verdict, variety.verdict) == ("supported", "contradicted", "supported")
    assert abs(size.evidence.estimates[0].interval.mean + 0.06) < 0.02 and "same training on B; 5 seeds" in size.reason
    up = judged(synthetic.sweep(1, tokens=0.05), replace(TOKENS, direction="up"))
    assert up.verdict == "supported" and "Holm-corrected" in up.reason
    assert judged(synthetic.sweep(1, size=-0.06), replace(SIZE, direction="none")).verdict == "contradicted"


@sentence
def a_planted_null_is_no_difference_where_it_can_be_shown_and_undecided_where_it_cannot():
    sharp = judged(synthetic.sweep(2, noise=0.01, spread=0.002), SIZE)
    assert sharp.verdict == "contradicted" and sharp.reason.startswith("No difference"), sharp.sentence
    assert judged(synthetic.sweep(2, noise=0.01, spread=0.002), replace(SIZE, direction="none")).verdict == "supported"
    blurred = judged(synthetic.sweep(2, spread=0.1), SIZE)
    assert blurred.verdict == "undecided" and "too wide to show that there is none" in blurred.reason, blurred.sentence


@sentence
def an_effect_smaller_than_the_margin_counts_as_none_though_it_differs_from_0():
    found = judged(synthetic.sweep(3, size=-0.008, noise=0.01, spread=0.001), SIZE)
    assert found.evidence.difference_p < 0.05 and found.verdict == "contradicted" and "inside ±0.02" in found.reason


@sentence
def a_planted_u_curve_is_non_monotone_either_way_up_and_says_where_it_turns():
    for curve, words in ((0.06, "falls, then rises"), (-0.06, "rises, then falls")):
        found = judged(synthetic.sweep(4, curve=curve), TOKENS)
        assert found.verdict == "non-monotone" and words in found.reason and "point 2" in found.reason or "point 3" in found.reason
    assert judged(synthetic.sweep(4, curve=0.06), SIZE).verdict != "non-monotone"


@sentence
def two_points_cannot_turn_and_one_cannot_be_compared():
    two = synthetic.Grid(amounts=[0, 65536, 1048576])
    assert judged(synthetic.sweep(5, grid=two, tokens=-0.1), TOKENS).verdict == "supported"
    one = judged(synthetic.sweep(5, grid=synthetic.Grid(amounts=[0, 65536]), untrained=0.9), TOKENS)
    assert one.verdict == "undecided" and "there is one point" in one.reason
    assert one.evidence.on_off.mean < -0.2, "what pretraining does at all is a contrast of its own"


# ---- reasons to withhold ----

@sentence
def a_planted_interaction_that_turns_the_sign_makes_the_average_undecided():
    results = synthetic.sweep(6, product=0.04)
    found = judged(results, SIZE)
    assert found.verdict == "undecided" and "the sign depends on tokens" in found.reason and "rises at 4194304" in found.reason
    (names, interval), = [one for one in verdicts.interactions(results, "forgetting", ["size", "tokens", "variety"])
                          if one[0] == ("size", "tokens")]
    assert interval.low < 0.04 < interval.high and interval.low > 0
    mild = judged(synthetic.sweep(6, size=-0.2, product=0.02), SIZE)
    assert mild.verdict == "supported", "an interaction that never turns the sign takes nothing from the claim"


@sentence
def named_outcomes_that_disagree_make_it_undecided():
    results = synthetic.sweep(7, size=-0.06)
    data = results.data
    noise = 0.01 * numpy.random.default_rng(1).standard_normal(data["forgetting_drop"].shape)
    data["forgetting_drop"] = data["forgetting_drop"].copy(data=0.3 + 0.03 * synthetic.Grid().size + noise)
    found = judged(results, SIZE)
    assert found.verdict == "undecided" and "forgetting_drop changes by +0.03" in found.reason and "disagree" in found.reason


@sentence
def too_few_seeds_are_undecided_whatever_they_show():
    found = judged(synthetic.sweep(8, grid=synthetic.Grid(seeds=4), size=-0.2), SIZE)
    assert found.verdict == "undecided" and "4 seeds; the rule asks for 5" in found.reason
    assert judged(synthetic.sweep(8, grid=synthetic.Grid(seeds=4), size=-0.2), replace(SIZE, minimum_seeds=4)).verdict == "supported"
    assert "one seed" in judged(synthetic.sweep(8, grid=synthetic.Grid(seeds=1), size=-0.2), SIZE).reason


@sentence
def holm_takes_into_account_how_many_claims_there_are():
    results = synthetic.sweep(9, size=-0.06, spread=0.03)
    alone = judged(results, SIZE).evidence.difference_p
    together = judged(results, SIZE, *(replace(SIZE, name=f"again_{i}") for i in range(3)))[0].evidence.difference_p
    assert abs(together - min(1, 4 * alone)) < 1e-12 and alone < 0.05


@sentence
def a_claim_about_what_the_file_does_not_hold_is_undecided_and_says_what():
    results = synthetic.sweep(10)
    assert "holds no forgetting_other" in judged(results, replace(SIZE, outcome="forgetting_other")).reason
    assert "does not vary along depth" in judged(results, replace(SIZE, axis="depth")).reason
    named = synthetic.sweep(10)
    named.data = named.data.rename(variety="objective").assign_coords(objective=["causal", "masked", "both"])
    assert "are not numbers" in judged(named, replace(VARIETY, axis="objective")).reason


# ---- readings ----

@sentence
def amount_0_is_never_a_point_on_a_slope():
    for untrained in (0.0, 0.9):
        found = judged(synthetic.sweep(11, tokens=-0.05, untrained=untrained), TOKENS)
        assert abs(found.evidence.estimates[0].interval.mean + 0.05) < 0.02, untrained
        assert (found.evidence.on_off.mean < -0.2) == (untrained == 0.9)


@sentence
def what_was_not_learnt_is_left_out_counted_and_bounded():
    results = synthetic.sweep(12, size=-0.05, missing=0.3)
    found = judged(results, SIZE)
    trained = results.data["forgetting"].isel(tokens=slice(1, None))
    missing = int(trained.isnull().sum())
    counts = outcomes.count(results, found.evidence.estimates[0].reading)
    assert counts["missing"] == missing > 100 and counts["used"] + missing == counts["cells"] == trained.size
    assert f"{missing} there was nothing to compare" in found.reason
    kept, lost = estimate(found, outcomes.AS_KEPT), estimate(found, outcomes.AS_LOST)
    assert kept.reading.bound and abs(kept.interval.mean) < 0.05 and abs(lost.interval.mean) < 0.05
    assert outcomes.AS_KEPT not in [e.reading.name for e in judged(synthetic.sweep(12, missing=0), SIZE).evidence.estimates]


@sentence
def without_failed_runs_is_a_reading_of_its_own():
    """Runs on B that failed forget nothing; there are more of them among small models."""
    results = synthetic.sweep(13, size=-0.05, missing=0, noise=0.02)
    failed = numpy.zeros(results.data["forgetting"].shape, dtype=bool)
    failed[0, 1:, :, :, :4] = True
    results.data["second_failed_run"] = results.data["second_failed_run"].copy(data=failed.astype(float))
    values = results.data["forgetting"].values.copy()
    values[failed] = 0.0
    results.data["forgetting"] = results.data["forgetting"].copy(data=values)
    found = judged(results, SIZE)
    sound = estimate(found, outcomes.SOUND)
    assert abs(sound.interval.mean + 0.05) < 0.02 < estimate(found, outcomes.PLAIN).interval.mean
    assert outcomes.count(results, found.evidence.estimates[0].reading)["failed"] == failed[:, 1:].sum()
    assert found.verdict == "undecided"


@sentence
def failed_runs_on_the_first_task_are_found_through_the_pair():
    results = synthetic.sweep(13)
    values = results.data["first_failed_run"].values
    values[:, :, :, synthetic.TASKS.index("bigram_shift")] = 1
    failed = outcomes.failed_runs(results, results.data["forgetting"])
    assert failed.sel(pair="bigram_shift>object_number").all() and not failed.sel(pair="tense>bigram_shift").any()


@sentence
def at_equal_success_the_planted_order_comes_out_which_the_same_training_hides():
    """Larger models come farther on B and so lose more of A in all, but less for each step on B."""
    grid = synthetic.Grid()
    full = numpy.zeros(grid.shape)
    noise = 0.004 * numpy.random.default_rng(2).standard_normal(grid.shape)
    reach, decay = 0.8 + 0.04 * grid.size + full + noise, 0.8 - 0.06 * grid.size + full
    results = synthetic.with_frontier(synthetic.sweep(14, missing=0), reach, decay, noise=0.002, points=8)
    found = judged(results, SIZE)
    common = estimate(found, outcomes.COMMON)
    assert found.evidence.estimates[0] is common and found.verdict == "supported", found.sentence
    assert estimate(found, outcomes.PLAIN).interval.low > 0, "after the same training it looks the other way round"
    least = 0.8 + 0.04 * grid.size.min()  # what the smallest reach: there A has lost decay times the gain on B
    truth = (0.8 - 0.06 * grid.size.ravel()) * (least - synthetic.CHANCE) / (synthetic.LEARNT - synthetic.CHANCE)
    measured = common.reading.array.isel(tokens=slice(1, None)).mean(["tokens", "variety", "pair", "seed"]).values
    numpy.testing.assert_allclose(measured, truth, atol=0.02)


@sentence
def the_programs_own_reading_at_equal_success_decides_where_it_is_stored():
    results = synthetic.sweep(15, size=0.05)
    results.data["forgetting_equal_success"] = -results.data["forgetting"] + 1
    found = judged(results, SIZE)
    assert found.evidence.estimates[0].reading.name == outcomes.EQUAL
    assert found.evidence.estimates[0].interval.high < 0 < estimate(found, outcomes.PLAIN).interval.low
    wanted = judged(results, replace(SIZE, reading="same_training"))
    assert wanted.evidence.estimates[0].reading.name == outcomes.PLAIN and outcomes.PLAIN in wanted.sentence, wanted.sentence
    assert estimate(wanted, outcomes.EQUAL).values is not None, "the other one is told as well"
    named = judged(results, replace(SIZE, outcome="forgetting_equal_success"))
    assert [e.reading.name for e in named.evidence.estimates] == [outcomes.EQUAL] and named.verdict == "supported"


@sentence
def crossing_is_linear_between_the_points_around_the_first_time():
    a = numpy.array([[0.8, 0.6, 0.5], [0.8, 0.6, 0.5], [0.8, 0.6, 0.5], [0.8, 0.6, 0.5]])
    b = numpy.array([[0.6, 0.7, 0.65], [0.6, 0.7, 0.65], [0.6, 0.7, 0.65], [0.6, 0.7, 0.65]])
    start = numpy.full(4, 0.9), numpy.full(4, 0.5)
    found = outcomes.crossing(a, b, *start, numpy.array([0.65, 0.55, 0.71, numpy.nan]))
    numpy.testing.assert_allclose(found, [0.7, 0.85, numpy.nan, numpy.nan])


@sentence
def at_the_best_rate_each_seed_takes_the_one_at_which_the_others_learn_b_best():
    """Two rates: at the second, small models learn B better; that is where they are read."""
    slow, fast = synthetic.sweep(16, size=-0.05, missing=0), synthetic.sweep(16, size=-0.05, mean=0.3, missing=0)
    better = numpy.where(synthetic.Grid().size < 0, 0.9, 0.6) + numpy.zeros(synthetic.Grid().shape)
    fast.data["second_accuracy_second"] = fast.data["second_accuracy_second"].copy(data=better)
    pair = [r.data.drop_vars(["first_accuracy", "first_failed_run", "first_lm_rise"]) for r in (slow, fast)]
    varied = ["forgetting", "forgetting_drop", "forgetting_loss_rise", "second_accuracy_second", "second_accuracy_first",
              "status_outcome", "second_failed_run"]
    both = xarray.concat(pair, dim="finetune_learning_rate", data_vars=varied)
    slow.data = both.assign_coords(finetune_learning_rate=[1e-4, 1e-3])
    found = judged(slow, SIZE)
    best = estimate(found, outcomes.BEST).reading.array
    level = best.isel(tokens=slice(1, None)).mean(["tokens", "variety", "pair", "seed"]).values
    plain = [r.data["forgetting"].isel(tokens=slice(1, None)).mean(["tokens", "variety", "pair", "seed"]).values
             for r in (synthetic.sweep(16, size=-0.05, missing=0), fast)]
    numpy.testing.assert_allclose(level, [plain[1][0], plain[1][1], plain[0][2], plain[0][3]], atol=1e-9)


@sentence
def at_matched_displacement_the_outcome_is_read_between_the_rates():
    """Larger models move twice as far at each rate; their forgetting grows by 0.1 with each doubling of the distance, and by
    nothing else: what looks like an effect of size is one of the distance."""
    results = synthetic.sweep(19, missing=0, noise=0, spread=0)
    grid = synthetic.Grid()
    far = 2.0**(grid.size - grid.size.min()) * numpy.ones(grid.shape)
    rates = [xarray.Dataset({"forgetting": results.data["forgetting"].copy(data=0.1 * numpy.log2(times * far)),
                             "second_displacement": results.data["forgetting"].copy(data=times * far).expand_dims(layer=2)})
             for times in (0.1, 1.0, 10.0)]
    names = ["forgetting", "second_displacement"]
    results.data = results.data.drop_vars("forgetting").merge(xarray.concat(rates, dim="finetune_learning_rate", data_vars=names))
    results.data = results.data.assign_coords(finetune_learning_rate=[1e-4, 1e-3, 1e-2])
    read = outcomes.at_matched_displacement(results, results.data["forgetting"]).array
    median = float(numpy.exp(numpy.log(results.data["second_displacement"]).median()))
    there = read.values[numpy.isfinite(read.values)]
    assert len(there) > 0.5 * read.size
    numpy.testing.assert_allclose(there, 0.1 * numpy.log2(median), atol=1e-9)
    numpy.testing.assert_allclose(outcomes.between(numpy.array([3.0, 1.0, numpy.nan]), numpy.array([30.0, 10.0, 5.0]), 2.5), 25.0)
    assert numpy.isnan(outcomes.between(numpy.array([3.0, 1.0]), numpy.array([30.0, 10.0]), 3.5))


@sentence
def an_axis_of_a_zip_group_is_found_by_its_members_name():
    results = synthetic.sweep(17, size=-0.06)
    results.data = results.data.rename(size="shape").assign_coords(size=("shape", list(synthetic.SIZES)))
    found = judged(results, SIZE)
    assert found.verdict == "supported" and abs(found.evidence.estimates[0].interval.mean + 0.06) < 0.02


@sentence
def amounts_in_multiples_of_the_size_are_read_by_the_tokens_that_were_used():
    results = synthetic.sweep(18, tokens=-0.05, noise=0.01, spread=0.002)
    weights = results.data["parameters_non_embedding"].values
    places = numpy.outer(weights, [0, 5, 20, 80, 320])
    results.data = results.data.assign_coords(tokens=["0x", "5x", "20x", "80x", "320x"], pretraining_tokens=(("size", "tokens"), places))
    found = judged(results, TOKENS)
    assert found.verdict == "supported" and abs(found.evidence.estimates[0].interval.mean + 0.05) < 0.01


@sentence
def last_minus_first_is_between_the_ends_and_needs_no_numbers():
    found = judged(synthetic.sweep(19, size=-0.06), replace(SIZE, statistic="last_minus_first"))
    assert found.verdict == "supported" and abs(found.evidence.estimates[0].interval.mean + 0.06 * 6) < 0.05
    assert "between the ends of size" in found.reason


@sentence
def cells_that_are_excluded_or_not_in_yet_are_no_missing_values():
    results = synthetic.sweep(20, size=-0.06, missing=0)
    status = results.data["status_outcome"].values
    status[:, :, 2], status[:, :, 1, :, 4], status[0, 1, 0, 0, 0] = 6, 0, 4
    found = judged(results, SIZE)
    counts = outcomes.count(results, found.evidence.estimates[0].reading)
    waiting, excluded = status[:, 1:, 1, :, 4].size, status[:, 1:, 2].size
    assert counts["missing"] == 0 and counts["broken"] == 1 and counts["waiting"] == waiting
    assert counts["cells"] == status[:, 1:].size - excluded and counts["used"] + waiting + 1 == counts["cells"]
    assert outcomes.count(results, found.evidence.estimates[0].reading, pretrained=False)["cells"] == status.size - status[:, :, 2].size
    assert found.evidence.estimates[0].interval.count == 5


# ---- the loss ----

LOSS = synthetic.CLAIMS[3]


@sentence
def an_outcome_of_the_loss_alone_is_not_contradicted_and_one_of_size_beside_it_is():
    of_loss = lambda loss: 0.9 - 0.15 * (loss - 2)
    alone = judged(synthetic.sweep(21, of_loss=of_loss, noise=0.01, shift=0.01), LOSS)
    assert alone.verdict == "supported", alone.sentence
    results = synthetic.sweep(21, of_loss=lambda loss: of_loss(loss) + 0.06 * synthetic.Grid().size[..., 0, :], noise=0.01, shift=0.01)
    beside = judged(results, LOSS)
    assert beside.verdict == "contradicted" and "at one loss it still changes" in beside.reason.lower(), beside.sentence
    assert beside.evidence.residual.slope_p["size"] < 0.05 and beside.evidence.residual.matched["size"][1] > 10
    assert abs(beside.evidence.residual.matched["size"][0].mean - 0.06) < 0.03


@sentence
def models_that_never_share_a_loss_leave_the_hypothesis_undecided():
    grid = synthetic.Grid(sizes={"one": 4e3}, varieties=[1], amounts=[0] + [4**k * 1024 for k in range(5)])
    found = judged(synthetic.sweep(22, grid=grid, of_loss=lambda loss: 0.9 - 0.15 * (loss - 2), noise=0.002, shift=0.01), LOSS)
    assert found.verdict in ("undecided", "supported"), found.sentence
    assert found.evidence.residual.matched["tokens"][1] == 0 and found.verdict == "undecided" and "no two models" in found.reason


@sentence
def the_additive_part_is_least_squares_with_missing_values():
    random = numpy.random.default_rng(4)
    cell, other = random.standard_normal((12, 1, 2)), random.standard_normal((1, 5, 2))
    array = cell + other
    array[random.random(array.shape) < 0.3] = numpy.nan
    found = lm_loss.additive_part(array)
    apart = found - cell[:, 0] - (found - cell[:, 0])[0]
    numpy.testing.assert_allclose(apart, 0, atol=1e-6)


@sentence
def too_few_models_are_named():
    found = judged(synthetic.sweep(23, grid=synthetic.Grid(sizes={"a": 4e3}, amounts=[65536, 131072], varieties=[1])), LOSS)
    assert found.verdict == "undecided" and "fewer than four" in found.reason


@sentence
def a_claim_of_the_file_keeps_its_own_words():
    found = judged(synthetic.sweep(24, size=-0.06), Claim("my_own", "size", "forgetting", "slope_per_doubling", "down", alpha=0.1))
    assert found.sentence.startswith("My own: supported.") and abs(found.evidence.estimates[0].interval.level - 0.9) < 1e-12


if __name__ == "__main__":
    run_sentences()

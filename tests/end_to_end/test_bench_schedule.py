"""bench schedule: stages that do nothing or sleep, through the ranks and the results file of a real run; bench simulate: the
order of work in virtual time; the comparison with mpi4py.futures."""

import json
import os
import subprocess
import sys

import h5py
import numpy

from tiny_sweeps import ENVIRONMENT, MPIRUN, PROGRAM, ROOT, Done, command_of, palimpsest, scratch_folder, status_of, sweep_text
from sentences import Skipped, run_sentences, sentence

FOLDER = scratch_folder()
SWEEP = FOLDER / "sweep.yaml"


def scheduled(*options, ranks=None):
    """In FOLDER, where the file lies that is not named."""
    command = command_of(("bench", "schedule", *options), ranks)
    return Done(subprocess.run(command, cwd=FOLDER, env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, timeout=100, check=False))


def measured(*options, ranks=None):
    done = scheduled("--json", *options, ranks=ranks)
    assert done.status == 0, done
    return json.loads(done.out)


def simulated(*options):
    done = palimpsest("bench", "simulate", "--json", *options)
    assert done.status == 0 and done.err == "", done
    return json.loads(done.out)


def refused(done, *words, status=2):
    assert done.status == status and done.out == "", done
    for word in words:
        assert str(word) in done.err, (word, done)


# ---- bench schedule ----

@sentence
def all_stages_pass_through_the_ranks_and_nothing_stays():
    for ranks in (1, 3):
        told = measured("--stages", 500, ranks=ranks)
        assert told["ranks"] == ranks and told["stage_seconds"] == 0, told
        assert 500 <= told["stages"] <= 530, told  # three more stages, and what fills the grid
        assert abs(told["stages_per_second"] * told["seconds"] / told["stages"] - 1) < 1e-9, told
        assert told["rank_0_cpu_seconds"] > 0 and (told["workers_cpu_seconds"] > 0) == (ranks > 1), told
        assert list(FOLDER.iterdir()) == [], list(FOLDER.iterdir())


@sentence
def the_text_says_how_many_stages_pass_in_a_second_and_what_of_a_core_rank_0_takes():
    done = scheduled("--stages", 100, ranks=3)
    assert done.status == 0 and " stages/s" in done.out.splitlines()[0], done
    assert "rank 0 took " in done.out and "of a core, a worker " in done.out, done


@sentence
def a_file_that_is_named_stays_and_holds_a_row_of_every_stage():
    for ranks in (1, 3):
        results = FOLDER / f"kept {ranks}.h5"
        told = measured("--stages", 300, "-o", results, ranks=ranks)
        with h5py.File(results, "r") as file:
            rows = file["provenance/stage"][()]
        assert len(rows) == told["stages"] and (rows["seconds"] >= 0).all(), (len(rows), told)
        assert len(numpy.unique(rows["rank"])) == max(1, ranks - 1), numpy.unique(rows["rank"])
        status = status_of(results)
        assert status["stages"] == status["by_status"]["done"] == told["stages"], (status, told)
        assert not list(FOLDER.glob("*.yaml")), list(FOLDER.iterdir())


@sentence
def what_it_wrote_is_not_computed_again():
    results = FOLDER / "not again.h5"
    assert scheduled("--stages", 20, "-o", results).status == 0
    refused = palimpsest("verify", results)
    assert refused.status == 2 and "bench schedule wrote" in refused.err and not refused.out, refused
    assert palimpsest("verify", results, "--stages", 0).status == 0


@sentence
def a_file_that_is_there_is_refused_and_kept():
    there = FOLDER / "mine.h5"
    for kept, ranks in ((there, 3), (FOLDER / "new.h5.sweep.yaml", None)):
        kept.write_text("mine")
        refused(scheduled("--stages", 10, "-o", str(kept).removesuffix(".sweep.yaml"), ranks=ranks), "is there already", kept)
        assert kept.read_text() == "mine"
        kept.unlink()
    assert not (FOLDER / "new.h5").exists()


@sentence
def stages_that_sleep_take_their_time_and_leave_the_cores_alone():
    told = measured("--stages", 12, "--stage-seconds", "400ms", ranks=3)
    assert told["seconds"] >= 0.4 * told["stages"] / 2, told
    assert 0.8 < told["workers_busy"] <= 1, told
    # A receive that spins takes a whole core.  What is left of rank 0 are a few milliseconds for each stage and each sync.
    assert told["rank_0_share_of_core"] < 0.1 and told["worker_share_of_core"] < 0.1, told
    assert abs(told["rank_0_share_of_core"] * told["seconds"] / told["rank_0_cpu_seconds"] - 1) < 1e-9, told
    assert abs(told["worker_share_of_core"] * told["seconds"] * 2 / told["workers_cpu_seconds"] - 1) < 1e-9, told


@sentence
def wrong_options_of_bench_schedule_are_refused():
    for options, *words in ((("--stages", 0), "--stages", "from 1"), (("--stages", "many"), "--stages", "whole number"),
                            (("--stage-seconds", "long"), "--stage-seconds", "duration"), (("sweep.yaml",), "sweep.yaml", "reads no file"),
                            (("--width", 64), "--width", "bench schedule --help"), (("-o", ""), "--output: the value is empty")):
        refused(scheduled(*options), *words)
    refused(scheduled("--stages", 10, "-o", FOLDER / "nowhere" / "new.h5"), "there is no folder", "nowhere; create it first")


# ---- bench simulate ----

def rows_of(told, order, predictions):
    return [row for row in told["simulated"] if (row["order"], row["predictions"]) == (order, predictions)]


@sentence
def the_critical_path_first_is_near_the_bound_on_the_built_in_grid_and_other_orders_are_not():
    told = simulated()
    assert told["sweep"] is None and told["stages"] > 10000 and told["error_deviation"] == 0.3, told
    assert told["lower_bound"] == "max(critical path, work / ranks)", told
    for row in told["simulated"]:
        bound = max(told["critical_path_seconds"], told["work_seconds"] / row["ranks"])
        assert row["lower_bound_seconds"] == bound, row
        assert bound * (1 - 1e-9) <= row["sharper_bound_seconds"] <= row["makespan_seconds"] * (1 + 1e-9), row
        assert abs(row["makespan_over_lower_bound"] * row["lower_bound_seconds"] / row["makespan_seconds"] - 1) < 1e-9, row
        idle = sum(row["idle_rank_seconds"].values())
        assert abs((idle + told["work_seconds"]) / (row["ranks"] * row["makespan_seconds"]) - 1) < 1e-6, row
    for order, predictions, most in (("critical path", "true", 1.02), ("critical path", "30 % errors", 1.05)):
        rows = rows_of(told, order, predictions)
        assert [row["ranks"] for row in rows] == [4, 16, 64, 256, 1024, 4096], rows
        assert max(row["makespan_over_sharper_bound"] for row in rows) <= most, rows
    for order in ("first in, first out", "random"):
        rows = rows_of(told, order, None)
        assert len(rows) == 6 and max(row["makespan_over_sharper_bound"] for row in rows) > 1.05, rows


@sentence
def the_table_has_a_line_for_each_order_and_number_of_ranks():
    done = palimpsest("bench", "simulate", "--ranks", "2,8")
    assert done.status == 0 and done.err == "", done
    for words in ("built-in grid", "lower bound: the longer of the critical path and work / ranks", "30 % errors"):
        assert words in done.out, (words, done)
    lines = [line for line in done.out.splitlines() if line.split()[:1] in (["2"], ["8"])]
    assert len(lines) == 8 and all(line.count("%") >= 2 for line in lines), done


@sentence
def a_seed_draws_the_same_errors_and_the_same_random_order_each_time():
    first, same, other = (simulated("--ranks", 64, "--seed", seed)["simulated"] for seed in (3, 3, 4))
    assert first == same
    changed = [a["order"] for a, b in zip(first, other) if a != b]
    assert changed == ["critical path", "random"], (first, other)  # the critical path with errors
    assert simulated("--ranks", 64, "--seed", 1) == simulated("--ranks", 64)


@sentence
def a_sweep_is_simulated_as_plan_predicts_it():
    SWEEP.write_text(sweep_text())
    told = simulated(SWEEP, "--ranks", "1,5")
    assert told["sweep"] == str(SWEEP) and told["speed_is_assumed"] is True, told
    for row in rows_of(told, "critical path", "true"):
        plan = json.loads(palimpsest("plan", SWEEP, "--json", "--ranks", row["ranks"]).out)
        assert told["stages"] == plan["stages"] and row["makespan_seconds"] == plan["makespan_seconds"], (row, plan)
        assert row["lower_bound_seconds"] == plan["lower_bound_seconds"], (row, plan)


@sentence
def wrong_options_of_bench_simulate_are_refused():
    for ranks in ("0", "4,", ",4", "4,,8", "4;8", "few", "4,1000001", ",".join(["4"] * 65), ""):
        refused(palimpsest("bench", "simulate", "--ranks", ranks), "--ranks")
    refused(palimpsest("bench", "simulate", "--seed", "-1"), "--seed", "whole number")
    refused(palimpsest("bench", "simulate", "--stages", "10"), "--stages", "bench simulate --help")
    refused(palimpsest("bench", "simulate", SWEEP, SWEEP), "bench simulate: one file at a time")
    refused(palimpsest("bench", "simulate", "--speed-from", "speeds.json"), "speeds.json", "name a sweep file")
    refused(palimpsest("bench", "simulate", FOLDER / "none.yaml"), "none.yaml", status=3)
    SWEEP.write_text("name: tiny\nworld: {kind: nowhere}\n")
    refused(palimpsest("bench", "simulate", SWEEP), f"{SWEEP}:2:")


# ---- tools/bench_dispatch.py ----

TOOL = [sys.executable, "-B", str(ROOT / "tools" / "bench_dispatch.py")]


@sentence
def the_comparison_with_mpi4py_prints_the_ratio():
    if subprocess.run([sys.executable, "-c", "import mpi4py.futures"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise Skipped("no mpi4py here")
    command = [*TOOL, str(PROGRAM), "--stages", "400", "--launcher", str(MPIRUN), "--folder", str(FOLDER)]
    before = sorted(FOLDER.iterdir())
    told = json.loads(subprocess.run([*command, "--rounds", "2", "--json"], stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert told["ranks"] == 3 and told["rounds"] == 2 and told["theirs"].startswith("mpi4py "), told
    assert told["tasks"]["theirs"] == 400 <= told["tasks"]["ours"] <= 430, told
    for name in ("ours_tasks_per_second", "theirs_tasks_per_second", "ratio"):
        assert 0 < told[name]["least"] <= told[name]["median"] <= told[name]["most"], told
    printed = subprocess.run([*command, "--rounds", "1"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "mpi4py.futures " in printed and "\nratio " in printed, printed
    assert sorted(FOLDER.iterdir()) == before


@sentence
def the_comparison_refuses_what_it_cannot_measure():
    for wrong in ([], ["/nowhere/palimpsest"], [str(PROGRAM), "--ranks", "1"], [str(PROGRAM), "--stages", "0"],
                  [str(PROGRAM), "--rounds", "x"], [str(PROGRAM), "--launcher", "/nowhere/mpirun"], [str(PROGRAM), "--folder", "/nowhere"]):
        done = subprocess.run([*TOOL, *wrong], env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 2 and done.stdout == "" and "usage:" in done.stderr, (wrong, done)


if __name__ == "__main__":
    run_sentences()

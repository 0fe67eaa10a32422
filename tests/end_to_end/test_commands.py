"""The commands of the README: help, refusals, plan, world, status, summary, and reading with xarray during a run."""

import json
import re
import subprocess
import time

import h5py
import xarray

from tiny_sweeps import ENVIRONMENT, PROGRAM, command_of, found, palimpsest, run_sweep, scratch_folder, start, status_of, sweep_text
from sentences import run_sentences, sentence

FOLDER = scratch_folder()


@sentence
def the_binary_is_where_the_readme_says():
    assert PROGRAM.is_file(), PROGRAM


@sentence
def every_command_has_help():
    for command in ("plan", "world", "run", "status", "summary"):
        done = palimpsest(command, "--help")
        assert done.status == 0 and command in done.out, done
    assert palimpsest("--version").status == 0


@sentence
def a_wrong_call_is_refused_with_2():
    for arguments in ((), ("no-such-command",), ("run",), ("run", "--no-such-option"), ("summary", FOLDER / "none.h5")):
        done = palimpsest(*arguments)
        assert done.status in (2, 3) and done.err + done.out, (arguments, done)
        if arguments[:1] != ("summary",):
            assert done.status == 2, (arguments, done)
    for wrong in ("-5s", "0", "soon", "5 s", "nan"):
        done = palimpsest("run", FOLDER / "none.yaml", "-o", FOLDER / "none.h5", "--time-limit", "1h", "--elapsed", wrong)
        assert done.status == 2 and f'--elapsed: "{wrong}" is not a duration' in done.err, (wrong, done)


@sentence
def a_run_whose_time_limit_is_over_already_stops_at_once_and_says_why():
    sweep = FOLDER / "over.yaml"
    sweep.write_text(sweep_text())
    for ranks in (None, 2):
        done = palimpsest("run", sweep, "-o", FOLDER / "over.h5", "--time-limit", "1h", "--elapsed", "7200s", ranks=ranks)
        assert done.status == 75 and "the time limit is 1 h 00 min, and 2 h 00 min of it are over" in done.err, done


@sentence
def output_that_gets_lost_is_no_success():
    sweep = FOLDER / "full.yaml"
    sweep.write_text(sweep_text())
    for arguments in (("--version",), ("plan", "--help"), ("plan", sweep), ("plan", sweep, "--json"), ("world", sweep)):
        with open("/dev/full", "w") as full:
            process = subprocess.run([str(part) for part in command_of(arguments, None)], stdout=full, stderr=subprocess.PIPE,
                                     text=True, env=ENVIRONMENT, check=False)
        assert process.returncode == 3 and "standard output" in process.stderr, (arguments, process)


@sentence
def a_wrong_sweep_file_is_refused_with_every_position_and_nothing_is_started():
    sweep, results = FOLDER / "wrong.yaml", FOLDER / "wrong.h5"
    sweep.write_text(sweep_text(tokens="[1q]") + "colour: red\n")
    for ranks in (None, 1, 3):
        done = palimpsest("run", sweep, "-o", results, ranks=ranks)
        assert done.status == 2, done
        assert f"{sweep}:14:13: " in done.err and f"{sweep}:19:1: colour" in done.err, done.err
        assert done.err.count(f"{sweep}:19:1: ") == 1, done.err
    assert palimpsest("plan", sweep).status == 2
    assert not results.exists()


@sentence
def a_sweep_file_that_is_not_there_is_refused():
    for ranks in (None, 2):
        done = palimpsest("run", FOLDER / "nowhere.yaml", "-o", FOLDER / "nowhere.h5", ranks=ranks)
        assert done.status in (2, 3) and "nowhere.yaml" in done.err, done


@sentence
def plan_and_world_show_what_is_to_come_and_write_nothing():
    sweep = FOLDER / "plan.yaml"
    sweep.write_text(sweep_text())
    before = set(FOLDER.iterdir())
    assert "micro" in palimpsest("plan", sweep, "--explain").out
    for arguments in (("plan", sweep), ("plan", sweep, "--ranks", "64"), ("plan", sweep, "--json"), ("world", sweep)):
        done = palimpsest(*arguments)
        assert done.status == 0 and done.out, done
    assert set(FOLDER.iterdir()) == before


@sentence
def a_running_sweep_can_be_watched_read_and_summarised():
    sweep, results = FOLDER / "watched.yaml", FOLDER / "watched.h5"
    sweep.write_text(sweep_text(steps=60, seed=4, items=200))
    watched = 0
    with open(FOLDER / "watched.log", "w", encoding="utf-8") as log:
        process = start("run", sweep, "-o", results, ranks=3, log=log)
        while process.poll() is None:
            if results.exists():
                watched += 1
                look_at(results)
            time.sleep(0.1)
    assert process.returncode == 0, (FOLDER / "watched.log").read_text()
    assert watched > 0, "the sweep was over before anyone could look"
    assert look_at(results), "summary found nothing in a finished sweep"


def look_at(results):
    """Every reader can, at any moment; whether summary found a stage that is done."""
    assert palimpsest("status", results).status == 0
    status_of(results)
    done = palimpsest("summary", results)
    begun = done.status == 2 and "nothing to summarise" in done.err  # no stage is done yet
    assert begun or (done.status == 0 and done.out), done
    for engine in ("h5netcdf", "netcdf4"):
        with xarray.open_dataset(results, engine=engine) as data:
            assert data.forgetting.dims == ("size", "tokens", "variety", "pair", "seed"), data.forgetting.dims
            data.forgetting.mean("seed").sel(size="micro").load()
    return not begun


@sentence
def a_finished_sweep_is_not_computed_again():
    text = sweep_text(size="[nano]", seed=1, tokens="[2Ki]", variety="[1]")
    results = run_sweep(FOLDER, "finished", text)
    began = palimpsest("status", results).out
    marks = results.read_bytes()
    assert run_sweep(FOLDER, "finished", text, ranks=2) == results
    done, total = (found(status_of(results), key) for key in ("done", "stages"))
    assert done == total and done > 0, began
    assert len(marks) == results.stat().st_size


@sentence
def every_second_of_a_rank_is_accounted_for_once():
    text = sweep_text(size="[nano]", seed=1, tokens="[0, 4Ki]", variety="[1]")
    for ranks, workers in ((None, 1), (3, 2)):
        results = run_sweep(FOLDER, f"account {workers}", text, ranks=ranks)
        account = status_of(results)["certificate"]
        busy = {kind: account[f"{kind}_seconds"] for kind in ("training", "data", "measuring", "reading", "saving", "rows",
                                                             "messages")}
        assert all(seconds > 0 for kind, seconds in busy.items() if kind not in ("reading", "messages")), busy
        idle = sum(account[f"idle_{cause}_seconds"] for cause in ("parent", "tail", "drain"))
        assert sum(busy.values()) + idle <= workers * account["makespan_seconds"] + 1e-3, account
        assert account["starting_seconds"] > 0, account
        with h5py.File(results) as file:
            rows = file["provenance/stage"][()]
        for kind in ("training", "data", "measuring"):
            assert abs(rows[f"{kind}_seconds"].sum() - busy[kind]) < 1e-6 + 1e-6 * busy[kind], (kind, account)
        assert account["peak_bytes"] >= rows["peak_bytes"].max() > 2**20, account
        assert "evaluating" in palimpsest("status", results).out


@sentence
def plan_promises_memory_for_each_kind_of_rank_and_says_what_the_program_takes_of_it():
    (FOLDER / "memory.yaml").write_text(sweep_text(size="[nano]", seed=1))
    (FOLDER / "wide.yaml").write_text(sweep_text(size="[nano]", seed=1).replace("nano:  {layers: 1, width: 16, heads: 2}",
                                                                               "nano: {layers: 2, width: 256, heads: 2}"))
    few, many = (json.loads(palimpsest("plan", FOLDER / name, "--json").out) for name in ("memory.yaml", "wide.yaml"))
    assert many["memory_bytes_per_rank"] > few["memory_bytes_per_rank"] + 2**24, (few, many)
    for plan in (few, many):
        assert 0 < plan["memory_bytes_program"] < plan["memory_bytes_rank_0"] <= plan["memory_bytes_alone"], plan
    done = palimpsest("plan", FOLDER / "wide.yaml", "--max-memory", str(int(many["memory_bytes_alone"] / 2)))
    assert done.status == 2 and "--max-memory" in done.err, done


@sentence
def a_changed_sweep_is_refused_for_the_old_results_and_names_the_change():
    text = sweep_text(size="[nano]", seed=1, tokens="[2Ki]", variety="[1]")
    results = run_sweep(FOLDER, "changed", text)
    before = results.read_bytes()
    (FOLDER / "sweep.yaml").write_text(text.replace("steps: 12", "steps: 13"))
    done = palimpsest("run", FOLDER / "sweep.yaml", "-o", results)
    assert done.status == 2 and "steps" in done.err, done
    assert results.read_bytes() == before
    assert palimpsest("run", FOLDER / "sweep.yaml", "-o", results, "--fresh").status == 0


@sentence
def fresh_throws_away_no_results_of_another_sweep():
    text = sweep_text(size="[nano]", seed=1, tokens="[2Ki]", variety="[1]")
    results = run_sweep(FOLDER, "mine", text)
    before = results.read_bytes()
    (FOLDER / "sweep.yaml").write_text(re.sub("^name: .*", "name: another", text, flags=re.MULTILINE))
    done = palimpsest("run", FOLDER / "sweep.yaml", "-o", results, "--fr")
    assert done.status == 2 and "--fr: write --fresh out" in done.err, done
    done = palimpsest("run", FOLDER / "sweep.yaml", "-o", results, "--fresh")
    assert done.status == 2 and "another" in done.err and "--fresh" in done.err, done
    assert results.read_bytes() == before


if __name__ == "__main__":
    run_sentences()

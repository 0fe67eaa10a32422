"""The measured tables of README.md: made from the files of the benchmarks, again the same, honest about what is not there."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402

ROOT = Path(sys.argv[1])
TOOL = ROOT / "tools" / "bench_readme.py"
BEGIN, END = "<!-- speed: begin, kept by tools/bench_readme.py -->", "<!-- speed: end -->"
AROUND = (f"# A title\n\nBefore.\n\n{BEGIN}\nsomething old\n{END}\n\nAfter.\n")
SMALL, LARGE = ({"layers": 2, "width": 32, "heads": 2, "context": 64, "batch": 16, "vocabulary": 256},
                {"layers": 8, "width": 512, "heads": 8, "context": 256, "batch": 8, "vocabulary": 256})


def trained(threads, small, large):
    """As bench train --json: two shapes of 0.1 and 100 GFLOP in so many seconds."""
    return {"palimpsest_speeds": 2, "machine": {"threads": threads, "vectors": "AVX2", "host": "somewhere"},
            "shapes": [{**shape, "step": {"seconds": seconds, "flops": flops, "count": 9}, "limit_flops_per_second": 1e11}
                       for shape, seconds, flops in ((SMALL, small, 1e8), (LARGE, large, 1e11))]}


def compared(shape, flops, ours, theirs):
    return {**shape, "flops": flops, "ours_flops_per_second": {"median": ours}, "limit_flops_per_second": 1e11,
            "theirs_flops_per_second": {"median": theirs}, "ratio": {"median": ours / theirs, "least": 1.01, "most": 9.99}}


def scheduled(stages, seconds, length):
    return {"ranks": 3, "stages": stages, "stage_seconds": length, "seconds": seconds, "stages_per_second": stages / seconds,
            "rank_0_cpu_seconds": 0.3, "workers_cpu_seconds": 1, "workers_busy": 0.987}


def files():
    return {
        "machine": {"processor": "Abacus 9", "cores": 2, "palimpsest": "palimpsest 0.1.0", "compiler": "GNU 12.2.0",
                    "libraries": "HDF5 1.10.8, Open MPI v4.1.4", "numerics": "OpenBLAS 0.3.21 Haswell", "short": False},
        "train": trained(1, 0.004, 2.0),
        "threads": trained(2, 0.004, 1.25),
        "peer": {"ours": "x", "theirs": "PyTorch 9.9", "shapes": [compared(SMALL, 1e8, 4e10, 1.6e10)]},
        "schedule": scheduled(20000, 0.5, 0),
        "sleep": scheduled(120, 60, 1),
        "crowd": {**scheduled(6400, 100, 1), "ranks": 65, "rank_0_cpu_seconds": 1.23},
        "plan": {"stages": 1004400, "seconds": {"median": 6.54, "least": 6.21, "most": 7.77}, "peak_bytes": 300 * 2**20},
        "dispatch": {"theirs": "mpi4py 9", "ranks": 3, "ours_tasks_per_second": {"median": 3000, "least": 1, "most": 4000},
                     "theirs_tasks_per_second": {"median": 1500, "least": 1, "most": 2000},
                     "ratio": {"median": 2, "least": 1.5, "most": 2.5}},
        "simulate": {"stages": 15220, "simulated": [
            {"ranks": 64, "order": "critical path", "predictions": "30 % errors", "makespan_over_lower_bound": 1.0104},
            {"ranks": 64, "order": "random", "predictions": None, "makespan_over_lower_bound": 1.5}]},
        "cells": {"cells": 432, "core_seconds": {"PyTorch, 12 cells run": 43200, "palimpsest": 2160.5}, "losses_agree": True,
                  "sampled": []},
        "memory": [{"shape": "2-32-2-64-16", "ranks": 3, "rank": rank, "role": role, "taken_bytes": taken * 2**20,
                    "promised_bytes": 50 * 2**20, "off": 0}
                   for rank, role, taken in ((0, "coordinates", 40), (1, "works", 48), (2, "works", 53))],
    }


class Place:
    """A folder of figures, a README and figures.json."""

    def __init__(self, folder, contents):
        self.folder, self.figures = Path(folder, "measured"), Path(folder, "figures.json")
        self.readme = Path(folder, "README.md")
        self.folder.mkdir()
        self.readme.write_text(AROUND)
        for name, content in contents.items():
            path = self.folder / f"{name}.json"
            path.write_text(content if isinstance(content, str) else json.dumps(content))
            os.utime(path, (86400 * 365.25 * 50, 86400 * 365.25 * 50))  # 2020-01-01

    def run(self, *options):
        return subprocess.run([sys.executable, "-B", TOOL, "--readme", self.readme, "--figures", self.figures, *options],
                              capture_output=True, text=True, check=False)

    def both(self):
        return self.readme.read_text(), self.figures.read_text()


def with_files(contents, body):
    with tempfile.TemporaryDirectory(prefix="a folder ") as folder:
        return body(Place(folder, contents))


def section_of(contents):
    def body(place):
        done = place.run(place.folder)
        assert done.returncode == 0, done
        return place.readme.read_text(), done.stdout
    text, said = with_files(contents, body)
    assert text.startswith(f"# A title\n\nBefore.\n\n{BEGIN}\n") and text.endswith(f"\n{END}\n\nAfter.\n"), text
    assert "something old" not in text, text
    return " ".join(text.split("\n")), [line for line in text.split("\n") if line.startswith("|")], said


def refused(contents, *words):
    def body(place):
        done = place.run(place.folder)
        assert done.returncode == 2 and done.stdout == "" and "Traceback" not in done.stderr, done
        assert place.readme.read_text() == AROUND and not place.figures.exists()
        return done.stderr
    said = with_files(contents, body)
    for word in words:
        assert word in said, (word, said)


@sentence
def every_figure_stands_in_its_table_and_the_machine_above():
    text, rows, said = section_of(files())
    for words in ("Measured 2020-01-01 on Abacus 9, 2 cores", "GNU 12.2.0", "OpenBLAS 0.3.21 Haswell", "PyTorch 9.9", "AVX2"):
        assert words in text, (words, text)
    for row in ("| 2 32 2 64 16 256 | 2.50 ms | 40.0 | 40 % | 16.0 | **2.50** (1.01–9.99) | 1.00 |",
                "| 8 512 8 256 8 256 | 2000 ms | 50.0 | 50 % | – | – | 1.60 |",
                "| stages that do nothing, through 3 ranks, each row on the disk | 40,000 a second |",
                "| ranks in a stage, with 120 stages of 1 s on 3 ranks | 98.7 % of the time |",
                "| rank 0, with 120 stages of 1 s on 3 ranks | 0.50 % of a core |",
                "| rank 0, with 6,400 stages of 1 s on 65 ranks | 1.23 % of a core |",
                "| a plan of 1,004,400 stages | 6.5 s (6.2–7.8), 300 MiB |",
                "| in turns with mpi4py 9, which keeps nothing, on 3 ranks | 3,000 a second, theirs 1,500; ratio 2.00 (1.50–2.50) |",
                "| ranks | critical path, 30 % errors | random |", "| 64 | 1.010 | 1.500 |",
                "| PyTorch, 12 cells run | 36.0 | 1.0 |", "| palimpsest | 719.8 | 20.0 |",
                "| 2 32 2 64 16 | – | 53 of 50 MiB (+6 %) | 40 of 50 MiB (-20 %) |"):
        assert row in rows, (row, rows)
    assert "ot measured" not in text + said, said


@sentence
def repeated_runs_change_nothing_and_the_figures_alone_give_the_same_section():
    def body(place):
        assert place.run(place.folder).returncode == 0
        first = place.both()
        for options in ([place.folder], []):
            assert place.run(*options).returncode == 0 and place.both() == first
        for path in place.folder.iterdir():
            path.unlink()
        place.readme.write_text(AROUND)
        assert place.run().returncode == 0 and place.both() == first
    with_files(files(), body)


@sentence
def check_writes_nothing_and_fails_where_a_figure_was_changed_by_hand():
    def body(place):
        assert place.run("--check", place.folder).returncode == 1 and place.readme.read_text() == AROUND
        assert not place.figures.exists()
        assert place.run(place.folder).returncode == 0
        assert place.run("--check").returncode == 0 and place.run("--check", place.folder).returncode == 0
        better = place.readme.read_text().replace("40,000 a second", "90,000 a second")
        place.readme.write_text(better)
        done = place.run("--check")
        assert done.returncode == 1 and "run tools/bench_readme.py" in done.stderr, done
        assert place.readme.read_text() == better
    with_files(files(), body)


@sentence
def what_was_not_measured_is_named_one_by_one_and_leaves_no_empty_table():
    words = {"threads": "--threads-per-rank", "peer": "beside PyTorch", "schedule": "stages per second", "sleep": "how busy",
             "dispatch": "beside mpi4py", "simulate": "order of work", "cells": "per core-hour (", "memory": "memory ("}
    for name, word in words.items():
        text, _, said = section_of({key: value for key, value in files().items() if key != name})
        assert "Not measured:" in text and word in text.split("Not measured:")[1], (name, text)
        assert len(said.splitlines()) == 1 and f"{name}.json is missing" in said, said
    text, rows, said = section_of({key: files()[key] for key in ("machine", "train")})
    assert rows[2:] == ["| 2 32 2 64 16 256 | 4.00 ms | 25.0 | 25 % |", "| 8 512 8 256 8 256 | 2000 ms | 50.0 | 50 % |"], text
    assert len(said.splitlines()) == len(files()) - 2, said  # all but the machine and one


@sentence
def before_anything_is_measured_the_section_says_so():
    def body(place):
        done = place.run()
        assert done.returncode == 0 and len(done.stdout.splitlines()) == len(files()) - 1, done
        assert "Not measured: the training step" in place.readme.read_text() and "|" not in place.readme.read_text()
        assert place.run("--check").returncode == 0 and not place.figures.exists()
    with_files({}, body)


def changed(name, change):
    contents = files()
    change(contents[name])
    return contents


@sentence
def a_file_that_is_not_what_its_benchmark_writes_is_refused_with_its_name_and_place():
    refused({**files(), "peer": "{\"ours\": "}, "peer.json", "line 1 column")
    refused({**files(), "train": []}, "train.json: train should be an object")
    refused({**files(), "memory": {}}, "memory.json: memory should be a list")
    refused({**files(), "memory": []}, "memory.json: memory should be a list with entries")
    refused(changed("schedule", lambda found: found.pop("ranks")), "schedule.json: schedule.ranks is missing")
    refused(changed("peer", lambda found: found["shapes"][0]["ratio"].update(median="2")),
            'peer.json: peer.shapes[0].ratio.median should be a number above 0 and is "2"')
    refused(changed("train", lambda found: found["shapes"][1]["step"].update(seconds=0)), "train.shapes[1].step.seconds")
    refused(changed("sleep", lambda found: found.update(seconds=float("nan"))), "sleep.json: sleep.seconds", "NaN")
    refused(changed("cells", lambda found: found["core_seconds"].update(more=-1)), "cells.core_seconds.more")
    refused(changed("memory", lambda found: found[2].update(role="rests")), "memory[2].role", '"rests"', "coordinates")


@sentence
def figures_without_their_machine_short_ones_and_none_are_refused():
    refused({key: value for key, value in files().items() if key != "machine"}, "no machine.json", "tools/bench_all")
    refused({"machine": files()["machine"]}, "holds no figures")
    refused(changed("machine", lambda found: found.update(short=True)), "--short")


@sentence
def a_readme_without_the_two_lines_and_figures_of_another_kind_are_refused():
    def body(place):
        for text in ("nothing\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{AROUND}"):
            place.readme.write_text(text)
            done = place.run(place.folder)
            assert done.returncode == 2 and str(place.readme) in done.stderr and place.readme.read_text() == text, done
        place.readme.write_text(AROUND)
        for text in ("[]", "{\"fast\": true}", "{}", "{\"measured\": {\"train\": \"2020-01-01\"}, \"machine\": {}}"):
            place.figures.write_text(text)
            done = place.run()
            assert done.returncode == 2 and str(place.figures) in done.stderr and "Traceback" not in done.stderr, done
    with_files(files(), body)


@sentence
def losses_that_do_not_agree_are_said():
    text, _, _ = section_of(changed("cells", lambda found: found.update(losses_agree=False)))
    assert "losses do not agree" in text, text


@sentence
def the_tables_of_this_readme_are_those_of_its_figures():
    done = subprocess.run([sys.executable, "-B", TOOL, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done


@sentence
def bench_all_refuses_what_cannot_be_measured_before_it_measures():
    def refuses(*words, said, **more):
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run([sys.executable, "-B", ROOT / "tools" / "bench_all", folder, *words], capture_output=True,
                                  text=True, check=False, **more)
            assert done.returncode == 2 and said in done.stderr and not os.listdir(folder), done
    plain = {name: value for name, value in os.environ.items() if name != "PALIMPSEST_DATA"}
    refuses("/no/such/program", said="/no/such/program cannot be run")
    refuses("/bin/true", "--without", "cells", said="/bin/true --version is not what a palimpsest says")
    refuses("/bin/true", said="--without cells", env=plain)
    refuses("/bin/true", "--only", "train", "--without", "train", said="nothing is left")
    refuses("/bin/true", "--only", "everything", said="everything")


@sentence
def bench_all_keeps_each_benchmarks_figures_and_says_which_failed():
    """With a program in palimpsest's place that knows bench train and no threads."""
    with tempfile.TemporaryDirectory(prefix="a folder ") as name:
        folder, program = Path(name, "out"), Path(name, "program")
        program.write_text("#!/bin/sh\ncase \"$*\" in\n--version) printf 'palimpsest 9\\ncompiler: c\\nlibraries: l\\n"
                           "numerics: n\\n' ;;\n*threads*) echo 'no threads today' >&2; exit 3 ;;\n"
                           f"bench*) echo '{json.dumps(trained(1, 1, 1))}' ;;\nesac\n")
        program.chmod(0o755)
        command = [sys.executable, "-B", ROOT / "tools" / "bench_all", folder, program]
        run = lambda *words: subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        good, same = run("--only", "train"), json.loads(Path(folder, "machine.json").read_text())
        assert good.returncode == 0 and json.loads(Path(folder, "train.json").read_text()) == trained(1, 1, 1), good
        assert (same["palimpsest"], same["numerics"], same["short"]) == ("palimpsest 9", "n", False), same
        if len(os.sched_getaffinity(0)) > 1:
            Path(folder, "threads.json").write_text("{}")  # of an earlier run
            bad = run("--only", "train", "threads")
            assert bad.returncode == 1 and re.search("^threads: .*no figures", bad.stdout, re.MULTILINE), bad
            assert "no threads today" in bad.stderr and not Path(folder, "threads.json").exists(), bad
        program.write_text(program.read_text().replace("compiler: c", "compiler: d"))
        other = run("--only", "train")
        assert other.returncode == 2 and "compiler" in other.stderr and "another folder" in other.stderr, other
        assert sorted(path.suffix for path in folder.iterdir() if path.suffix not in (".json", ".log")) == [], folder


if __name__ == "__main__":
    run_sentences()

"""The scripts around the program: what is counted, what is said where nothing can be installed, what a wrong call gives."""

import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402

ROOT = Path(sys.argv[1])
TOOLS = ROOT / "tools"
sys.path.insert(0, str(TOOLS))
import bench_cells  # noqa: E402


def run(*command, **more):
    return subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)


def closing_line(*cases, broken=()):
    """Exit status and last line of the counter on one report; cases: (status, output) of each ctest test."""
    tests = "".join(f'<testcase name="t{i}" status="{status}"><system-out>{output}</system-out></testcase>'
                    for i, (status, output) in enumerate(cases))
    with tempfile.TemporaryDirectory(prefix="a folder ") as folder:
        report = Path(folder, "results.xml")
        report.write_text(f"<testsuite>{tests}</testsuite>")
        done = run(sys.executable, TOOLS / "count_tests.py", *[f"--broken={b}" for b in broken], report)
    return done.returncode, done.stdout.splitlines()[-1]


@sentence
def cases_of_a_program_count_one_by_one_and_once_for_all_ranks():
    output = "[       OK ] a\n[       OK ] a\n[       OK ] b\n[  SKIPPED ] c\n"
    assert closing_line(("run", output)) == (0, "2 passed, 0 failed, 1 skipped")


@sentence
def a_test_without_cases_counts_as_one():
    assert closing_line(("run", "fine"), ("notrun", "")) == (0, "1 passed, 0 failed, 1 skipped")


@sentence
def a_program_that_dies_after_good_cases_has_failed():
    assert closing_line(("fail", "[       OK ] a\n")) == (1, "1 passed, 1 failed, 0 skipped")


@sentence
def a_failure_on_one_rank_is_a_failure():
    assert closing_line(("fail", "[       OK ] a\n[  FAILED  ] a\n")) == (1, "0 passed, 1 failed, 0 skipped")


@sentence
def a_program_that_exits_0_with_failed_cases_is_not_believed():
    assert closing_line(("run", "[  FAILED  ] a\n[       OK ] b\n"))[0] == 1


@sentence
def nothing_run_is_a_failure_and_so_is_a_build_that_broke():
    assert closing_line() == (1, "0 passed, 0 failed, 0 skipped")
    assert closing_line(("run", ""), broken=["build of sanitize"]) == (1, "1 passed, 1 failed, 0 skipped")


@sentence
def a_machine_where_nothing_can_be_installed_is_told_every_package():
    with tempfile.TemporaryDirectory() as folder:
        for name in ("bash", "cat", "sed", "head", "sort", "id", "dirname", "env"):
            os.symlink(f"/usr/bin/{name}", Path(folder, name))
        done = run("/bin/bash", TOOLS / "install", "build", env={"PATH": folder})
    assert done.returncode == 2, done.stdout
    assert "there is no apt-get" in done.stdout
    for package in ("gcc", "cmake", "libopenmpi-dev", "libhdf5-openmpi-dev", "libopenblas-dev", "libyaml-dev"):
        assert package in done.stdout, f"{package} is missing in {done.stdout!r}"


@sentence
def every_script_has_help_and_refuses_what_it_does_not_know():
    for name in ("install", "quickstart", "test", "build", "report"):
        helped = run(TOOLS / name, "--help")
        assert helped.returncode == 0 and helped.stdout.startswith(f"usage: tools/{name}"), helped.stdout
        assert run(TOOLS / name, "--no-such-option").returncode == 2
    for name in ("bench_cells.py", "bench_dispatch.py", "bench_memory.py", "bench_plan.py"):
        helped = run(sys.executable, TOOLS / name, "--help")
        assert helped.returncode == 0 and helped.stdout.startswith(f"usage: {name}"), helped
        assert run(sys.executable, TOOLS / name, "--no-such-option").returncode == 2


@sentence
def bench_memory_refuses_what_it_cannot_measure_in_one_line():
    tool = TOOLS / "bench_memory.py"
    for arguments, words in ((("--shapes", "1-2"), "is not five whole numbers"), (("--shapes", "a-b-c-d-e"), "is not five whole numbers"),
                             (("--ranks", "0"), "is not a whole number above 0")):
        refused = run(sys.executable, tool, "/bin/true", *arguments)
        assert refused.returncode == 2 and words in refused.stdout, refused
    for program, words in (("/bin/true", "does not say what a palimpsest says"), ("/no/such/program", "No such file")):
        refused = run(sys.executable, tool, program)
        assert refused.returncode == 1 and words in refused.stdout and "Traceback" not in refused.stdout, refused


@sentence
def bench_cells_samples_every_size_alike_and_extrapolates_by_flops():
    cells = [{"size": size, "tokens": t} for size in ("nano", "mini") for t in range(1, 41)]
    sampled = bench_cells.sample_of(cells, 6)
    assert sampled == bench_cells.sample_of(cells, 6), "the sample is drawn by a fixed seed"
    assert [cell["size"] for cell in sampled] == ["mini"] * 3 + ["nano"] * 3
    assert len({cell["tokens"] for cell in sampled[:3]}) == 3

    class Costs:
        @staticmethod
        def of(cell):
            return cell["tokens"] * 10

    rate = {"nano": 5, "mini": 2}  # FLOP/s
    seconds = [Costs.of(cell) / rate[cell["size"]] for cell in sampled]
    whole = sum(Costs.of(cell) / rate[cell["size"]] for cell in cells)
    assert abs(bench_cells.extrapolate(Costs, cells, sampled, seconds) - whole) < 1e-9 * whole


@sentence
def bench_cells_takes_heavy_tails_for_noise_and_a_shift_of_all_losses_for_another_recipe():
    draw = random.Random(3)
    seeds = [draw.gauss(0, 0.3) + (4 if place % 20 == 0 else 0) for place in range(72)]
    noise = [draw.gauss(0, 0.3) for _ in range(11)] + [4.1]
    assert min(bench_cells.agreement(noise, seeds)) >= bench_cells.LEAST_P, bench_cells.agreement(noise, seeds)
    shifted = [difference + 0.6 for difference in noise]
    assert min(bench_cells.agreement(shifted, seeds)) < bench_cells.LEAST_P, bench_cells.agreement(shifted, seeds)


@sentence
def bench_cells_runs_one_variety_one_pair_and_one_seed_without_sharing():
    part = bench_cells.part_of((ROOT / "sweeps" / "cells.yaml").read_text(), "/data")
    axes = part[part.index("axes:"):].split("\n")
    values = {line.split(":")[0].strip(): line.split(":")[1].split("#")[0].strip() for line in axes[1:] if ":" in line}
    assert values["variety"] == "[8]" and values["seed"] == "1", values
    assert values["pair"].startswith("[[cola, ") and values["pair"].count(",") == 1, values
    assert values["size"].count(",") == 2 and "PALIMPSEST_DATA" not in part.split("name:")[1], values


@sentence
def every_target_of_the_fuzz_campaign_has_a_program_and_a_corpus():
    built = (ROOT / "tests" / "fuzz" / "CMakeLists.txt").read_text()
    corpora = {folder.name: list(folder.iterdir()) for folder in (ROOT / "tests" / "fuzz" / "corpus").iterdir()}
    assert len(corpora) >= 5 and all(corpora.values()), corpora
    for name in corpora:
        assert f"palimpsest_fuzz({name} " in built, name
    campaign = ROOT / "tests" / "campaigns" / "fuzz"
    assert run(campaign, "--help").returncode == 0
    for wrong in (["--only", "nothing"], ["--seconds", "0"], ["--seed", "x"], ["--no-such-option"]):
        assert run(campaign, *wrong).returncode == 2, wrong


@sentence
def presets_are_those_that_the_scripts_build():
    done = run("cmake", "--list-presets", cwd=ROOT)
    for name in ("release", "test", "sanitize", "fuzz", "debug"):
        assert f'"{name}"' in done.stdout, done.stdout


if __name__ == "__main__":
    run_sentences()

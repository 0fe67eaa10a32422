"""The numerics class: agreed before anything runs, stored, part of every id, taken again on resume, refused where it lacks.

Other kinds of nodes are played by PALIMPSEST_CORES, which only takes away from what a rank offers.
"""

import re
import subprocess

from tiny_sweeps import (ENVIRONMENT, MPIRUN, PROGRAM, Done, difference, expect_equal, found, palimpsest, run_sweep,
                         scratch_folder, state_ids, status_of, sweep_text, variable)
from sentences import Skipped, run_sentences, sentence

FOLDER = scratch_folder()
SWEEP = FOLDER / "sweep.yaml"
TEXT = sweep_text(size="[nano]", seed=1, tokens="[0, 2Ki]", variety="[1]")
for variable_of_site in ("OPENBLAS_CORETYPE", "PALIMPSEST_CORES"):
    ENVIRONMENT.pop(variable_of_site, None)


def run_with(settings, *arguments):
    """Without mpirun, under these environment variables."""
    return Done(subprocess.run([str(part) for part in (PROGRAM, *arguments)], env={**ENVIRONMENT, **settings}, text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100,
                               check=False))


def run_mixed(ranks, *arguments):
    """One rank for each of `ranks`: the cores that it offers (separated by commas; None: all)."""
    command = [MPIRUN, "--oversubscribe", "--bind-to", "none"]
    for rank, cores in enumerate(ranks):
        command += [":"] if rank else []
        command += ["-n", 1, "env", *([f"PALIMPSEST_CORES={cores}"] if cores else []), PROGRAM, *arguments]
    return Done(subprocess.run([str(part) for part in command], env=ENVIRONMENT, stdin=subprocess.DEVNULL, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, check=False))


def class_of(results):
    said = variable(results, "sweep/numerics_class")
    return said.decode() if isinstance(said, bytes) else str(said)


def core_of(results):
    return re.fullmatch(r"OpenBLAS [0-9.]+\S* (\w+)(?: with tiles)?/threads-1/shards-1", class_of(results)).group(1)


def offered_cores():
    """What this machine offers, the best first, as the refusal of a core that does not exist lists it."""
    SWEEP.write_text(TEXT)
    done = palimpsest("plan", SWEEP, "--numerics", "Pentium0")
    assert done.status == 2, done
    return re.search(r" has ([\w, ]+);", done.err).group(1).split(", ")


CORES = offered_cores()


def need(*cores):
    lacking = [core for core in cores if core not in CORES]
    if lacking:
        raise Skipped(f"this processor, or this OpenBLAS, has no core {', '.join(lacking)}")


@sentence
def the_class_is_shown_stored_and_what_the_library_takes_by_itself():
    results = run_sweep(FOLDER, "plain", TEXT)
    assert core_of(results) == CORES[0], (class_of(results), CORES)
    assert found(status_of(results), "numerics_class") == class_of(results)
    assert class_of(results) in palimpsest("status", results).out
    assert class_of(results) in palimpsest("plan", SWEEP).out
    assert class_of(results) in palimpsest("--version").out


@sentence
def another_core_is_another_class_with_other_ids_and_other_bits():
    need("Nehalem", "Haswell")
    old = run_sweep(FOLDER, "nehalem", TEXT, "--numerics", "Nehalem")
    new = run_sweep(FOLDER, "haswell", TEXT, "--numerics", "haswell")
    assert (core_of(old), core_of(new)) == ("Nehalem", "Haswell")
    assert not set(state_ids(old)) & set(state_ids(new))
    assert difference(old, new)
    losses = [variable(results, "initial_lm_loss").tobytes() for results in (old, new)]
    assert losses[0] != losses[1], "these two cores are known to add up in different orders"


@sentence
def the_variable_of_openblas_chooses_as_the_option_does():
    need("Nehalem")
    results = FOLDER / "variable.h5"
    assert run_with({"OPENBLAS_CORETYPE": "NEHALEM"}, "run", SWEEP, "-o", results).status == 0
    expect_equal(FOLDER / "nehalem.h5", results)


@sentence
def resume_takes_the_stored_class_whatever_this_node_would_take():
    need("Nehalem", "Haswell")
    for name, wish in (("nehalem", {}), ("nehalem", {"OPENBLAS_CORETYPE": "Haswell"}), ("haswell", {}),
                       ("haswell", {"OPENBLAS_CORETYPE": "Nehalem"})):
        whole = FOLDER / f"{name}.h5"
        results = FOLDER / f"resumed {name} {len(wish)}.h5"
        stopped = palimpsest("run", SWEEP, "-o", results, "--numerics", name, "--time-limit", "0.001s")
        assert stopped.status == 75, stopped
        done = found(status_of(results), "by_status")
        assert done["pending"] > 0, done
        resumed = run_with(wish, "run", SWEEP, "-o", results)
        assert resumed.status == 0 and class_of(whole) in resumed.err, resumed
        expect_equal(whole, results)


@sentence
def mixed_ranks_agree_on_the_best_that_all_have():
    need("Sandybridge", "Nehalem", "Prescott")
    results = FOLDER / "mixed.h5"
    done = run_mixed((None, "Prescott,Sandybridge,Nehalem", "nehalem,prescott"), "run", SWEEP, "-o", results)
    assert done.status == 0 and core_of(results) == "Nehalem", (done, class_of(results))
    expect_equal(FOLDER / "nehalem.h5", results)


@sentence
def a_rank_without_the_stored_class_is_refused_by_name_and_the_file_stays_as_it_was():
    need("Nehalem", "Haswell")
    results = FOLDER / "haswell.h5"
    before = results.read_bytes()
    for lacking in (0, 2):
        ranks = [None, None, None]
        ranks[lacking] = "Nehalem"
        done = run_mixed(ranks, "run", SWEEP, "-o", results)
        assert done.status == 3, done
        for part in (f"rank {lacking} on host ", "Nehalem", class_of(results), "-o"):
            assert part in done.err, (part, done)
        assert done.err.count("palimpsest: ") == 1, done
        assert results.read_bytes() == before


@sentence
def ranks_with_nothing_in_common_are_refused_and_nothing_is_created():
    need("Nehalem", "Prescott")
    results = FOLDER / "none in common.h5"
    before = set(FOLDER.iterdir())
    done = run_mixed((None, "Nehalem", "Prescott"), "run", SWEEP, "-o", results)
    assert done.status == 3 and "rank 2 on host " in done.err and "Prescott" in done.err, done
    assert done.err.count("palimpsest: ") == 1, done
    assert set(FOLDER.iterdir()) == before


@sentence
def a_core_that_does_not_exist_or_that_a_rank_lacks_is_refused_with_what_there_is():
    need("Nehalem", "Prescott")
    results = FOLDER / "refused.h5"
    before = set(FOLDER.iterdir())
    for done in (palimpsest("run", SWEEP, "-o", results, "--numerics", "Pentium0"),
                 run_with({"OPENBLAS_CORETYPE": "Pentium0"}, "run", SWEEP, "-o", results),
                 run_mixed((None, "Prescott"), "run", SWEEP, "-o", results, "--numerics", "Nehalem")):
        assert done.status == 2 and "Prescott" in done.err, done
    assert "rank 1 on host " in done.err, done
    assert set(FOLDER.iterdir()) == before


@sentence
def the_option_cannot_change_the_class_of_results_but_fresh_can():
    need("Nehalem", "Haswell")
    results = run_sweep(FOLDER, "fixed", TEXT, "--numerics", "Nehalem")
    before = results.read_bytes()
    done = palimpsest("run", SWEEP, "-o", results, "--numerics", "Haswell")
    assert done.status == 2 and class_of(results) in done.err, done
    assert results.read_bytes() == before
    run_sweep(FOLDER, "fixed", TEXT, "--numerics", "nehalem")
    run_sweep(FOLDER, "fixed", TEXT, "--numerics", "Haswell", "--fresh")
    expect_equal(FOLDER / "haswell.h5", results)


@sentence
def a_library_that_is_no_openblas_is_refused():
    folder, results = FOLDER / "library", FOLDER / "no library.h5"
    folder.mkdir()
    (folder / "libopenblas.so.0").write_bytes(b"no library\n")
    done = run_with({"LD_LIBRARY_PATH": str(folder)}, "run", SWEEP, "-o", results)
    assert done.status == 3 and "OpenBLAS" in done.err and str(folder) in done.err, done
    assert not results.exists()


if __name__ == "__main__":
    run_sentences()

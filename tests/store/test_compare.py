"""tools/compare_results finds what h5diff alone lets pass: a planted bit, a changed shape, a missing object."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402
from store_runs import Tool  # noqa: E402

COMPARE, TOOL = sys.argv[1], Tool(sys.argv[2], sys.argv[3])
FOLDER = tempfile.TemporaryDirectory(prefix="test compare ")
WHOLE = Path(FOLDER.name, "whole.h5")
TOOL.run("create", WHOLE)
TOOL.written(WHOLE)


def compare(first, second):
    done = subprocess.run([COMPARE, str(first), str(second)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    return done.returncode, done.stdout


def damaged(*how):
    """A copy of the whole file after store_tool has done that to it."""
    copy = Path(FOLDER.name, "damaged.h5")
    shutil.copy(WHOLE, copy)
    TOOL.run(how[0], copy, *how[1:])
    return copy


@sentence
def a_file_equals_its_copy_and_says_nothing():
    copy = Path(FOLDER.name, "copy.h5")
    shutil.copy(WHOLE, copy)
    assert compare(WHOLE, copy) == (0, "")


@sentence
def two_runs_of_one_sweep_are_equal_whatever_their_ranks_and_their_provenance():
    other = Path(FOLDER.name, "other.h5")
    TOOL.run("create", other)
    TOOL.written(other, ranks=2)
    assert WHOLE.read_bytes() != other.read_bytes()
    assert compare(WHOLE, other) == (0, "")


@sentence
def provenance_may_differ():
    assert compare(WHOLE, damaged("flip", "provenance/stage")) == (0, "")


@sentence
def one_planted_bit_is_found_and_its_variable_is_named():
    for variable in ("pretraining_tokens", "initial_lm_loss", "status_first", "stages/mark", "sweep/numerics_version"):
        for pair in ((WHOLE, damaged("flip", variable)), (damaged("flip", variable), WHOLE)):
            status, said = compare(*pair)
            assert status == 1 and variable in said, (variable, said)


@sentence
def a_changed_shape_is_found():
    status, said = compare(WHOLE, damaged("reshape", "forgetting"))
    assert status == 1 and "objects, types or shapes differ" in said, said


@sentence
def a_missing_object_is_found_in_either_file():
    for first, second in ((WHOLE, damaged("delete", "third_lm_rise")), (damaged("delete", "third_lm_rise"), WHOLE)):
        status, said = compare(first, second)
        assert status == 1 and "third_lm_rise" in said, said


@sentence
def a_missing_row_is_found():
    fresh = Path(FOLDER.name, "fresh.h5")
    TOOL.run("create", fresh)
    status, said = compare(WHOLE, fresh)
    assert status == 1 and "alone_accuracy" in said, said  # of many variables with rows the first that is shown


@sentence
def what_cannot_be_compared_is_not_called_equal_or_different():
    text = Path(FOLDER.name, "text.h5")
    text.write_text("not HDF5")
    for other in (text, Path(FOLDER.name, "nothing.h5")):
        status, said = compare(WHOLE, other)
        assert status == 2 and other.name in said, said
    done = subprocess.run([COMPARE, str(WHOLE)], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2 and "usage" in done.stderr


run_sentences()

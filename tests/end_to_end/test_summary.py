"""summary: its numbers against numpy, its tables in every width, what it says of what is missing, what it refuses."""

import csv
import fcntl
import io
import math
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

import h5py
import numpy

from tiny_sweeps import ENVIRONMENT, command_of, dimensions, palimpsest, run_sweep, scratch_folder, sweep_text, variable
from sentences import run_sentences, sentence

FOLDER = scratch_folder()
SEEDS = 3
T_95_TWO_DEGREES = 0.95 * math.sqrt(2 / (4 * 0.975 * 0.025))  # Student's t for three seeds, two-sided, in closed form
COUNTS = ("present", "missing", "failed", "pending", "excluded")


def text_of_sweep(**changes):
    """Tasks that also an untrained model learns, so that there is something to forget."""
    text = sweep_text(**{**dict(size="[nano, micro]", tokens="[0, 4Ki]", variety="[1, 2]", seed=SEEDS, steps=200, rate="4e-3",
                                items=256), **changes})
    return (text.replace("tasks: [tense, subject_number]", "tasks: [coordination_inversion, top_constituents]")
            .replace("finetune: {batch: 8,", "finetune: {batch: 32, pool: mean,")
            .replace("[curves]", "[curves, transfer, frontier]") + "exclude: [{size: micro, variety: 2}]\n")


def finished():
    results = FOLDER / "finished.h5"
    return results if results.exists() else run_sweep(FOLDER, "finished", text_of_sweep(), ranks=3)


def summary(*arguments, status=0, **environment):
    done = palimpsest("summary", *arguments, **environment)
    assert done.status == status, done
    return done


def lines_of_csv(*arguments):
    return list(csv.DictReader(io.StringIO(summary(*arguments, "--csv").out)))


def interval(values):
    """By the formula in the door of answer, for what is there of one value per seed."""
    there = values[~numpy.isnan(values)]
    if len(there) == 0:
        return math.nan, math.nan, math.nan
    if len(there) < SEEDS:
        return there.mean(), None, None  # the quantile of fewer degrees is another
    half = T_95_TWO_DEGREES * there.std(ddof=1) / math.sqrt(SEEDS)
    return there.mean(), there.mean() - half, there.mean() + half


def by_seed(values, names):
    """Means over all dimensions but the seed."""
    values = numpy.moveaxis(values, names.index("seed"), 0).reshape(SEEDS, -1)
    there = ~numpy.isnan(values)
    return numpy.where(there.any(1), numpy.nansum(values, 1) / numpy.maximum(there.sum(1), 1), numpy.nan)


def close(text, expected):
    if expected is None:
        return True
    if math.isnan(expected):
        return text == ""
    return text != "" and math.isclose(float(text), expected, rel_tol=1e-12, abs_tol=1e-14)


def check_lines(results, metric, lines):
    """Every line of one metric against what numpy makes of the variable."""
    values, names = variable(results, metric), dimensions(results, metric)
    for place, line in enumerate(lines):
        here = values
        if line["axis"]:
            labels = [str(label.decode() if isinstance(label, bytes) else label) for label in variable(results, line["axis"])]
            at, along = labels.index(line["value"]), names.index(line["axis"])
            here = values.take([at], along)
            if at > 0 and line["axis"] in ("size", "tokens", "variety", "layer"):
                change = interval(by_seed(here - values.take([at - 1], along), names))
                for key, expected in zip(("change", "change_low", "change_high"), change):
                    assert close(line[key], expected), (key, line, expected)
            else:
                assert line["change"] == "", line
        for key, expected in zip(("mean", "low", "high"), interval(by_seed(here, names))):
            assert close(line[key], expected), (metric, place, key, line, expected)
        assert int(line["present"]) == numpy.isfinite(here).sum(), line
        assert sum(int(line[key]) for key in COUNTS) == here.size, line


@sentence
def every_number_of_the_csv_is_what_numpy_computes_from_the_variable():
    lines = lines_of_csv(finished())
    metrics = {line["metric"] for line in lines}
    assert {"forgetting", "forgetting_equal_success", "second_lm_rise", "transfer", "second_failed_run", "pretrained_lm_loss"} <= metrics, metrics
    for metric in metrics:
        check_lines(finished(), metric, [line for line in lines if line["metric"] == metric])
    whole = next(line for line in lines if line["metric"] == "forgetting" and not line["axis"])
    lost = next(line for line in lines if line["metric"] == "second_lm_progress_lost" and not line["axis"])
    assert int(whole["present"]) > 0 and int(lost["missing"]) > 0, (whole, lost)  # else little was tested
    assert int(whole["excluded"]) == whole_size() // 4, whole


def whole_size():
    return variable(finished(), "forgetting").size


@sentence
def the_csv_has_the_columns_that_help_lists():
    listed = summary("--help").out.split("columns of the CSV", 1)[1]
    names = re.findall(r"^  (\w+) ", listed, re.MULTILINE)
    assert len(names) == 19 and summary(finished(), "--csv").out.splitlines()[0] == ",".join(names), names


@sentence
def the_tables_show_the_same_numbers_and_say_what_is_missing():
    out = summary(finished()).out
    whole = next(line for line in lines_of_csv(finished()) if line["metric"] == "forgetting" and not line["axis"])
    rounded = [f"{float(whole[key]):.3f}" for key in ("mean", "low", "high")]
    assert re.search(r"^all +{} +\[ *{}, +{}\]".format(*map(re.escape, rounded)), out, re.MULTILINE), (rounded, out)
    assert f"{whole_size()} values: {whole['present']} averaged, " in out and f"{whole['excluded']} excluded" in out, out
    amount_0 = whole_size() // 2 * 3 // 4  # half of the cells, a quarter of which is excluded
    lost = next(line for line in lines_of_csv(finished()) if line["metric"] == "second_lm_progress_lost" and not line["axis"])
    assert int(lost["missing"]) == amount_0, lost
    for title in ("forgetting: ", "forgetting_equal_success: ", "second_lm_rise: ", "transfer: "):
        assert f"\n{title}" in out, out


@sentence
def one_axis_and_one_metric_can_be_asked_for():
    lines = lines_of_csv(finished(), "--metric", "second_displacement", "--by", "layer")
    assert [line["value"] for line in lines] == ["", *(label.decode() for label in variable(finished(), "layer"))], lines
    check_lines(finished(), "second_displacement", lines)
    rows = re.findall(r"^  (\S+)", summary(finished(), "--by", "tokens", COLUMNS="300").out.split("forgetting_equal_success")[0],
                      re.MULTILINE)
    assert rows == ["0", "4096"], rows


@sentence
def values_that_the_end_of_a_training_cut_off_are_counted_beside_their_mean():
    text = text_of_sweep(size="[nano]", variety="[1]", seed=2, steps=40).replace("[curves, transfer, frontier]", "[recovery]")
    results = run_sweep(FOLDER, "recovery", text.replace("exclude:", "recovery: {steps: 8}\nexclude:").split("exclude:")[0], ranks=3)
    for metric, flag in (("relearnt_savings", "relearnt_recovery_censored"), ("after_last_recovery_steps", "after_last_recovery_censored")):
        there = variable(results, flag)[~numpy.isnan(variable(results, metric))]
        lines = summary(results, "--metric", metric, COLUMNS="200").out.splitlines()
        head = next(line for line in lines if line.endswith("censored"))
        row = lines[lines.index(head) + 1]
        assert row.startswith("all") and row.endswith(f" {numpy.nansum(there):.0f}/{there.size}"), (row, there)
    assert "censored: " in summary(results, "--metric", "relearnt_savings").out


@sentence
def what_is_not_there_is_refused_and_what_was_meant_is_named():
    for arguments, words in ((("--metric", "forgeting"), 'did you mean forgetting?'),
                             (("--metric", "nonsense"), "known are alone_accuracy, "),
                             (("--metric", "parameters"), "has no seed dimension"),
                             (("--metric", "status_first"), "are flags"),
                             (("--metric", "seed"), "no seed dimension"),
                             (("--metric", "stages/mark"), "known are"),
                             (("--by", "sise"), "did you mean size?"),
                             (("--by", "colour"), "there are size, tokens, variety, pair"),
                             (("--by", "seed"), "seeds are what the intervals are taken over"),
                             (("--by", "task"), "there are size, tokens, variety, pair")):
        for form in ((), ("--csv",)):
            done = summary(finished(), *arguments, *form, status=2)
            assert words in done.err and str(finished()) in done.err and not done.out, (words, done)


@sentence
def no_line_is_wider_than_the_terminal_and_none_is_coloured():
    for columns in (45, 57, 80, 120, 300):  # the longest label, which cannot be broken, has 41
        out = summary(finished(), COLUMNS=str(columns)).out
        widest = max(out.splitlines(), key=len)
        assert len(widest) <= columns, (columns, widest)
        assert out.isascii() and "\033" not in out and "\t" not in out, out
        assert not re.search(r" $", out, re.MULTILINE), out
        assert out.count("mean [95 % interval]") == 4, out
    assert max(map(len, out.splitlines())) > 120  # all columns beside each other
    plain = summary(finished()).out
    assert 80 < max(map(len, plain.splitlines())) <= 120


@sentence
def a_terminal_is_asked_how_wide_it_is():
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 64, 0, 0))
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "COLUMNS"}
    process = subprocess.Popen(command_of(("summary", finished()), None), env=environment, stdout=theirs, stdin=subprocess.DEVNULL)
    os.close(theirs)
    said = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        said += part
    assert process.wait() == 0
    widest = max(map(len, said.decode().replace("\r\n", "\n").splitlines()))
    assert 50 < widest <= 64, said.decode()


@sentence
def an_unfinished_sweep_is_summarised_as_far_as_it_is():
    text = text_of_sweep(steps=1000)
    results = run_sweep(FOLDER, "stopped", text, "--time-limit", "3s", status=75)
    lines = lines_of_csv(results)
    forgetting = next(line for line in lines if line["metric"] == "forgetting" and not line["axis"])
    initial = next(line for line in lines if line["metric"] == "pretrained_lm_loss" and not line["axis"])
    assert int(forgetting["pending"]) > 0 and int(initial["present"]) > 0, (forgetting, initial)
    check_lines(results, "pretrained_lm_loss", [line for line in lines if line["metric"] == "pretrained_lm_loss"])
    out = summary(results).out
    assert "unfinished, " in out and f"{forgetting['pending']} not in yet" in out, out


@sentence
def failed_runs_are_counted_and_no_number_of_theirs_is_used():
    text = sweep_text(steps=6, size="[nano]", tokens="[0]", variety="[1]", seed=2, rate="2e-3, epsilon: 1e-300")
    results = run_sweep(FOLDER, "failing", text, status=1)
    out = summary(results).out
    whole = next(line for line in lines_of_csv(results) if line["metric"] == "forgetting" and not line["axis"])
    assert int(whole["failed"]) == variable(results, "forgetting").size and int(whole["present"]) == 0, whole
    assert f"{whole['failed']} of failed runs" in out, out


@sentence
def a_sweep_of_which_nothing_is_done_is_refused():
    results = FOLDER / "begun.h5"
    shutil.copy(finished(), results)
    with h5py.File(results, "r+") as file:
        file["stages/mark"][...] = 0
    for form in ((), ("--csv",)):
        done = summary(results, *form, status=2)
        assert f"{results}: none of its" in done.err and "nothing to summarise" in done.err and not done.out, done


@sentence
def a_file_whose_names_are_damaged_is_refused_as_damaged():
    """HDF5 1.10 may free what it never had when it lists damaged links."""
    whole = finished().read_bytes()
    broken, met = FOLDER / "broken names.h5", 0
    for distance in range(60, 4000, 97):
        flipped = bytearray(whole)
        flipped[-distance] ^= 0x41
        broken.write_bytes(flipped)
        done = palimpsest("summary", broken)
        assert done.status in (0, 2, 3) and f"{broken}: " in done.err, (distance, done)
        met += done.status == 3
    assert met > 0, "no flipped byte hid a variable"


@sentence
def a_dimension_with_fewer_labels_than_values_is_refused():
    results = FOLDER / "shortened.h5"
    shutil.copy(finished(), results)
    with h5py.File(results, "r+") as file:
        file["forgetting"].dims[0].detach_scale(file["size"])
        del file["size"]
        file["size"] = ["nano"]
        file["size"].make_scale("size")
        file["forgetting"].dims[0].attach_scale(file["size"])
    for form in ((), ("--csv",)):
        done = summary(results, *form, status=2)
        assert "forgetting has another length along size than size itself" in done.err and not done.out, done


if __name__ == "__main__":
    run_sentences()

"""tools/report on real files: what the page and its figures hold, what is refused and how, two sweeps side by side."""

import base64
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import h5py
import numpy

ROOT = Path(sys.argv[1])
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tools")]
import palimpsest_results  # noqa: E402
import synthetic_results as synthetic  # noqa: E402
from palimpsest_report import __main__ as command, figures_instruments, lm_loss, results_file  # noqa: E402
from palimpsest_report.results_file import STATUSES  # noqa: E402
from sentences import Skipped, run_sentences, sentence  # noqa: E402

FOLDER = tempfile.TemporaryDirectory(prefix="a report ")
HERE = Path(FOLDER.name)


class Done:
    """What a call of the tool left: its exit status, stdout and stderr."""

    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err

    def __repr__(self):
        return f"exit {self.status}\n-- stdout\n{self.out}\n-- stderr\n{self.err}"


def report(*arguments, permutations=99):
    """The command in this process: what tools/report runs after it has found its Python, with fewer permutations, which take
    longer than all else."""
    out, err = io.StringIO(), io.StringIO()
    fewer = mock.patch.object(lm_loss, "PERMUTATIONS", permutations)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), fewer:
        try:
            status = command.main([str(argument) for argument in arguments])
        except SystemExit as left:
            status = left.code
    return Done(status, out.getvalue(), err.getvalue())


def report_tool(*arguments):
    done = subprocess.run([ROOT / "tools" / "report", *map(str, arguments)], capture_output=True, text=True, check=False,
                          env={**os.environ, "PALIMPSEST_PYTHON": sys.executable})
    return Done(done.returncode, done.stdout, done.stderr)


SMALL = {"sizes": {"nano": 4e3, "mini": 64e3, "midi": 256e3}, "amounts": [0, 65536, 262144, 1048576], "varieties": [1, 16]}


def sweep(number=1, **more):
    return synthetic.sweep(number, **{"grid": synthetic.Grid(**SMALL), **more})


def file_of(name, results=None, **more):
    path = HERE / f"{name}.h5"
    synthetic.write(results or sweep(size=-0.06), path, **more)
    return path


def refused(path, *words, arguments=()):
    done = report(path, *arguments, "-o", HERE / "never.html")
    assert done.status == 2 and done.out == "" and "Traceback" not in done.err, done
    assert len(done.err.strip().splitlines()) == 1 and done.err.startswith("tools/report: "), done
    for word in words:
        assert word in done.err, (word, done.err)
    assert not (HERE / "never.html").exists() and not (HERE / "never-figures").exists()


class Page(HTMLParser):
    """Headings, pictures, links and every address that a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.text, self.sections, self.fetched, self.open, self.wrong = text, [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        facts = dict(attributes)
        if tag == "h2":
            self.sections.append(facts["id"])
        self.fetched += [facts[name] for name in ("src", "srcset", "data", "action", "poster") if name in facts]
        if "href" in facts:
            self.fetched.append(facts["href"])
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def with_instruments(number=3):
    """A sweep with a frontier, probes, similarities, recovery and a curve along a dimension nobody has named before."""
    results, random = sweep(number, missing=0), numpy.random.default_rng(5)
    grid = synthetic.Grid(**SMALL)
    flat = numpy.zeros(grid.shape)
    synthetic.with_frontier(results, 0.8 + 0.03 * grid.size + flat, 0.8 - 0.05 * grid.size + flat, noise=0.003)
    data = results.data.assign_coords(layer=["embedding", "block_1", "final"], probed=synthetic.TASKS, anew=[1, 2, 4])
    cells, models = data["forgetting"].dims, ("size", "tokens", "variety", "seed")

    def add(name, dims, **attributes):
        data[name] = (dims, 0.5 + 0.1 * random.random([data.sizes[d] for d in dims]), {"units": "1", **attributes})
    add("pretrained_probe_accuracy_last", (*models, "layer", "probed"))
    add("second_probe_accuracy_last", (*cells, "layer", "probed"))
    add("first_probe_accuracy_last", (*models[:3], "task", "seed", "layer", "probed"))
    add("second_cka_mean", (*cells, "layer"))
    add("second_rsa_mean", (*cells, "layer"))
    add("relearnt_recovery_accuracy", (*cells, "frontier_point"))
    add("relearnt_savings", cells, long_name="share of the steps that relearning saves")
    add("transfer", cells)
    add("pretrained_never_heard_of", (*models, "anew"))
    add("pretrained_curve_loss", (*models, "frontier_point"))
    add("second_curve_loss", (*cells, "frontier_point"))
    results.data = data
    return results


# ---- the page ----

@sentence
def the_page_is_whole_says_the_verdicts_and_fetches_nothing():
    path = file_of("sound")
    done = report_tool(path, "-o", HERE / "sound.html")
    assert done.status == 0 and done.err == "", done
    assert "Larger forgets less: supported." in done.out and "Laws: Not enough points" in done.out
    page = Page((HERE / "sound.html").read_text())
    assert not page.open and not page.wrong, (page.open, page.wrong)
    outside = [address for address in page.fetched if not address.startswith(("data:", "#"))]
    assert not outside and "<script" not in page.text and "@import" not in page.text and "url(" not in page.text, outside
    assert page.sections[:2] == ["verdicts", "the-answer"] and "layers" not in page.sections and "tasks" in page.sections
    for words in ("✓ supported", "5 seeds", "95 % t interval", "Interactions of the axes", "size × tokens"):
        assert words in page.text, words


@sentence
def the_figures_lie_beside_it_as_svg_and_png_and_inside_it_and_every_caption_says_n_and_how():
    folder = HERE / "sound-figures"
    names = {path.stem for path in folder.iterdir()}
    assert {"forgetting", "map", "verdicts", "lm_loss", "lm_retention", "matrix", "cost"} <= names, names
    for name in names:
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG") and b"<svg" in (folder / f"{name}.svg").read_bytes()
    page = (HERE / "sound.html").read_text()
    inside = [base64.b64decode(data) for data in re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)]
    assert sorted(inside) == sorted((folder / f"{name}.svg").read_bytes() for name in names)
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL):
        assert re.search(r"\bn = \d+|\bn: seeds|over \d+ seeds|No interval", caption), caption
        assert re.search("interval|quartiles", caption), caption


@sentence
def the_same_results_give_the_same_page_to_the_byte():
    path = HERE / "sound.h5"
    assert report(path, "-o", HERE / "again.html", permutations=lm_loss.PERMUTATIONS).status == 0
    assert (HERE / "again.html").read_bytes() == (HERE / "sound.html").read_bytes()


@sentence
def sections_appear_with_their_instruments_also_with_one_nobody_has_named():
    path = file_of("instruments", with_instruments())
    done = report(path)
    assert done.status == 0 and (HERE / "instruments-report.html").exists(), done
    page = Page((HERE / "instruments-report.html").read_text())
    assert {"layers", "learning-and-recovery", "tasks", "stability", "other-instruments"} <= set(page.sections), page.sections
    names = {path.stem for path in (HERE / "instruments-report-figures").iterdir()}
    assert {"frontier", "representations", "probed_tasks", "recovery", "relearnt_savings", "transfer", "along",
            "forgetting_at_equal_success", "probes_of_first"} <= names, names
    assert "Dotted: chance, 1 / classes (0.5)" in page.text
    assert "at the best success on B that all reach" in page.text


@sentence
def what_a_page_has_no_room_for_is_named():
    results = with_instruments()
    cells = results.data["forgetting"].dims
    few = results.data.isel(variety=[0], pair=[0])
    results.data = few.assign({f"anew_{n:02}_steps": (cells, few["forgetting"].values, {"units": "steps"}) for n in range(8)})
    with mock.patch.object(figures_instruments, "MOST_SCALARS", 6):  # as with a hundred more and the room there is
        pictures = figures_instruments.scalars(results)
    assert len(pictures) == 6
    drawn, last = [picture.name for picture in pictures], pictures[-1].caption
    left = [name for name in results.data.data_vars if name.startswith("anew_") and name not in drawn]
    assert left and all(name in last for name in left) and not any(name in last for name in drawn[:-1]), last


@sentence
def what_is_read_of_the_first_task_after_the_second_is_what_the_probes_for_it_say():
    results = with_instruments()
    data = results.data
    shown = figures_instruments.of_first_probed(data, "second_probe_accuracy_last")
    for place, pair in enumerate(data["pair"].values):
        expected = data["second_probe_accuracy_last"].sel(pair=pair, probed=str(pair).split(">")[0])
        numpy.testing.assert_array_equal(shown.isel(pair=place).transpose(*expected.dims).values, expected.values)
    after_first = figures_instruments.of_first_probed(data, "first_probe_accuracy_last")
    expected = data["first_probe_accuracy_last"].sel(task="tense", probed="tense")
    place = next(place for place, pair in enumerate(data["pair"].values) if str(pair).startswith("tense>"))
    numpy.testing.assert_array_equal(after_first.isel(pair=place).transpose(*expected.dims).values, expected.values)


@sentence
def of_one_size_the_learning_curves_are_drawn_by_amount():
    results = with_instruments()
    results.data = results.data.isel(size=[0])
    assert report(file_of("one-size", results)).status == 0
    names = {path.stem for path in (HERE / "one-size-report-figures").iterdir()}
    assert {"curves", "representations", "recovery", "frontier"} <= names, names


@sentence
def lines_of_later_stages_have_letters_labels_have_room_and_a_share_of_nothing_has_an_axis():
    results = with_instruments()
    data = results.data
    cells = data["forgetting"].dims
    for name in ("second_layer_cosine_start_first", "third_layer_cosine_start_first", "third_layer_cosine_start_second"):
        data[name] = data["second_cka_mean"].copy()
    data["relearnt_censored"] = (cells, numpy.zeros([data.sizes[d] for d in cells]), {"units": "1"})
    data["first_number_whose_name_is_longer_than_a_panel_is_high"] = data["transfer"].copy()
    pictures = {picture.name: picture.figure for picture in
                figures_instruments.of_instruments(results_file.load(file_of("later", results)))}
    legends = [panel.get_legend() for panel in pictures["mediators"].axes]
    assert [text.get_text() for legend in legends if legend for text in legend.get_texts()] == ["B with A", "C with A", "C with B"]
    low, high = pictures["relearnt_censored"].axes[0].get_ylim()
    assert low < 0 < high and high - low > 0.01, (low, high)
    label = pictures["first_number_whose_name_is_longer_than_a_panel_is_high"].axes[0].get_ylabel()
    assert max(map(len, label.split("\n"))) <= 34 and "longer than" in label.replace("\n", " "), label


@sentence
def a_law_is_drawn_where_there_are_points_enough():
    grid = synthetic.Grid(**{**SMALL, "amounts": [0] + [2**(14 + i) for i in range(6)]})
    path = file_of("law", synthetic.sweep(1, grid=grid, curve=0.03))
    done = report(path, "-o", HERE / "law.html")
    assert done.status == 0 and "U-curve in tokens predicts the longest amount best" in done.out, done
    assert (HERE / "law-figures" / "laws.png").exists()


@sentence
def a_sweep_that_is_not_finished_and_has_failures_is_reported_as_far_as_it_is_and_its_text_is_no_html():
    results = sweep(size=-0.06)
    results.name = "<script>alert(1)</script> & more"
    results.data["status_outcome"].values[:, :, 1] = 0
    path = file_of("unfinished", results, marks=(2,) * 6 + (4, 3, 1, 0), reason=b"the loss is not a number at step 12")
    done = report(path, "-o", HERE / "unfinished.html")
    assert done.status == 0 and "6 of 10 stages done, 2 failed or skipped" in done.out and "not finished" in done.out, done
    page = Page((HERE / "unfinished.html").read_text())
    assert "are not in yet" in page.text and "2 × the loss is not a number at step 12" in page.text
    assert "<script" not in page.text and "&lt;script&gt;" in page.text and not page.wrong


@sentence
def a_headless_browser_shows_it_without_a_complaint():
    browser = next((name for name in ("chromium", "chromium-browser", "google-chrome") if
                    subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, check=False).returncode == 0), None)
    if browser is None:
        raise Skipped("no Chromium on this machine")
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--enable-logging=stderr",
                           f"--user-data-dir={HERE / 'browser'}", "--dump-dom", (HERE / "sound.html").as_uri()], capture_output=True,
                          text=True, check=False, timeout=100)
    assert done.returncode == 0 and done.stdout.rstrip().endswith("</html>"), done.returncode
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line or "ERR_" in line and "sound.html" in line]
    assert not said, said


# ---- what is refused ----

@sentence
def what_is_no_results_file_is_refused_in_one_sentence():
    refused(HERE / "not there.h5", "there is no such file")
    refused(HERE, "is a folder")
    (HERE / "text.h5").write_text("name: quickstart\n")
    refused(HERE / "text.h5", "not even HDF5")
    (HERE / "empty.h5").write_bytes(b"")
    refused(HERE / "empty.h5", "not even HDF5")
    with h5py.File(HERE / "other.h5", "w") as file:
        file["x"] = 1
    refused(HERE / "other.h5", "is HDF5, but not a results file of palimpsest")
    newer = file_of("newer")
    with h5py.File(newer, "r+") as file:
        file.attrs["format_version"] = 99
    refused(newer, "format version", "newer")


@sentence
def a_truncated_or_damaged_file_is_refused_in_one_sentence_wherever_it_is_cut():
    whole = file_of("whole").read_bytes()
    for share in (0.02, 0.3, 0.6, 0.9, 0.999):
        cut = HERE / "cut.h5"
        cut.write_bytes(whole[:int(share * len(whole))])
        refused(cut, "cut.h5")
    (HERE / "flipped.h5").write_bytes(whole[:64] + b"\xff" * 2000 + whole[2064:])
    refused(HERE / "flipped.h5", "flipped.h5")


@sentence
def an_empty_sweep_and_one_in_which_all_failed_say_so():
    nothing = sweep()
    for name in ("forgetting", "forgetting_drop"):
        nothing.data[name] = nothing.data[name].copy(data=numpy.full(nothing.data[name].shape, numpy.nan))
    refused(file_of("begun", nothing, marks=(0,) * 10), "none of its 10 stages is done")
    refused(file_of("early", nothing, marks=(2, 2) + (0,) * 8), "no cell has come to its second task yet (2 of 10")
    refused(file_of("failed", nothing, marks=(2, 3, 4) + (5,) * 7, reason=b"the loss is not finite"), "every cell failed", "9 of 10",
            "the loss is not finite")
    single = sweep()
    single.data = single.data.drop_vars(["forgetting", "forgetting_drop", "forgetting_loss_rise"])
    refused(file_of("single", single), "no second task")


@sentence
def a_page_that_cannot_be_written_is_another_exit_status_and_wrong_options_are_explained():
    folder = HERE / "closed"
    (folder / "page-figures").mkdir(parents=True)
    (folder / "page-figures" / "forgetting.svg").mkdir()
    done = report(HERE / "sound.h5", "-o", folder / "page.html")
    assert done.status == 3 and "cannot be written" in done.err and "Traceback" not in done.err, done
    assert report().status == 2 and report("--no-such-option").status == 2
    helped = report("--help")
    assert helped.status == 0 and helped.out.startswith("usage: tools/report") and "refuses what must not" in " ".join(helped.out.split())


@sentence
def nothing_but_a_page_is_written_over_and_no_folder_is_made():
    mine, fifo = HERE / "mine.txt", HERE / "fifo"
    mine.write_text("mine")
    os.mkfifo(fifo)
    before = (HERE / "sound.h5").read_bytes()
    for path, words in ((HERE / "sound.h5", "is no page"), (mine, "is no page"), (fifo, "is no regular file"), (HERE, "is no regular file"),
                        (HERE / "nowhere" / "page.html", "there is no folder")):
        done = report(HERE / "sound.h5", "-o", path)
        assert done.status == 2 and words in done.err and str(path) in done.err and not done.out, done
    assert (HERE / "sound.h5").read_bytes() == before and mine.read_text() == "mine" and not (HERE / "nowhere").exists()
    refused = report(".")
    assert refused.status == 2 and "Traceback" not in refused.err, refused


@sentence
def a_reader_that_has_seen_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-B", "-m", "palimpsest_report", HERE / "sound.h5", "-o", HERE / "piped.html"], stdout=writing,
                          stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    os.close(writing)
    assert done.returncode == 0 and done.stderr == "" and (HERE / "piped.html").exists(), done


# ---- two sweeps ----

@sentence
def two_sweeps_stand_side_by_side_with_paired_differences():
    a = file_of("a", sweep(size=-0.06))
    b = sweep(size=-0.06, mean=0.6)
    b.name = "more"
    done = report(a, file_of("b", b), "-o", HERE / "both.html")
    assert done.status == 0, done
    apart = re.search(r"forgetting: more minus planted_1 is \+([0-9.]+) \[\+([0-9.]+)", done.out)
    assert apart and abs(float(apart.group(1)) - 0.1) < 0.002, done.out
    page = Page((HERE / "both.html").read_text())
    assert not page.wrong and page.sections[0] == "side-by-side" and (HERE / "both-figures" / "compare_forgetting.svg").exists()


@sentence
def sweeps_with_other_axes_are_compared_over_what_both_have():
    other = synthetic.sweep(2, grid=synthetic.Grid(seeds=3, varieties=[4, 16, 64], sizes={"mini": 64e3, "midi": 256e3, "maxi": 1e6},
                                             amounts=SMALL["amounts"]))
    other.name = "other"
    done = report(HERE / "a.h5", file_of("other_axes", other), "-o", HERE / "part.html")
    assert done.status == 0 and f"({2 * 3 * 1 * 2 * 3} cells)" in done.out.split("forgetting drop:")[1].splitlines()[0], done


@sentence
def what_must_not_be_mixed_is_refused_and_named():
    refused(HERE / "a.h5", "one and the same file", arguments=[HERE / "a.h5"])
    refused(HERE / "a.h5", "test items of bigram_shift, object_number, tense are", "reference windows of domain_00", arguments=[file_of("elsewhere", word="1")])
    numbers = file_of("numbers")
    with h5py.File(numbers, "r+") as file:
        file["sweep/numerics_version"][0] = 3
        del file["sweep/explained"]
        file["sweep/explained"] = "name   x\nevaluate.items   100 (items)\n"
    refused(HERE / "a.h5", "different versions (2 and 3)", "evaluate.items is 400 (items) in the one and 100 (items)", arguments=[numbers])


# ---- the module for notebooks ----

@sentence
def the_module_opens_the_file_and_means_are_over_seeds_of_means():
    results = palimpsest_results.open(HERE / "sound.h5")
    answer = palimpsest_results.forgetting(results, by=["size", "tokens"])
    values = results["forgetting"].values
    by_hand = numpy.nanmean(values[2, 3], axis=(0, 1))  # one for each seed
    one = answer.isel(size=2, tokens=3)
    assert abs(float(one["forgetting"]) - by_hand.mean()) < 1e-12 and int(one["seeds"]) == 5
    half = 2.7764451051978 * by_hand.std(ddof=1) / 5**0.5
    assert abs(float(one["high"]) - by_hand.mean() - half) < 1e-10 and int(one["values"]) + int(one["missing"]) == 20
    assert palimpsest_results.lm_retention(results, by="size")["rise"].values.tolist() == [0.5] * 3
    matrix = palimpsest_results.transfer_matrix(results)
    first = results["forgetting"].sel(pair="tense>bigram_shift").mean()
    assert abs(float(matrix["mean"].sel(first="tense", second="bigram_shift")) - float(first)) < 0.01
    assert matrix["mean"].isnull().sum() == 9 - 2
    for wrong, word in ((lambda: palimpsest_results.forgetting(results, outcome="remembering"), "no remembering"),
                        (lambda: palimpsest_results.transfer_matrix(results, "pretrained_lm_loss"), "no dimension pair")):
        try:
            wrong()
        except palimpsest_results.ResultsError as error:
            assert word in str(error)
        else:
            raise AssertionError(word)


@sentence
def the_five_lines_of_the_readme_draw_the_main_figure():
    import matplotlib
    matplotlib.use("Agg")
    lines = re.search(r"\n((?:    .*\n)+)", palimpsest_results.__doc__).group(1).replace("    ", "")
    lines = lines.replace('"tools"', repr(str(ROOT / "tools"))).replace('"build/quickstart.h5"', repr(str(HERE / "sound.h5")))
    assert len(lines.strip().splitlines()) == 5
    exec(lines, {})  # what the documentation says must run
    drawn = matplotlib.pyplot.gca()
    assert len(drawn.get_lines()) == len(SMALL["sizes"]) and drawn.get_xlabel()


@sentence
def the_module_knows_the_format_that_the_program_writes():
    version = re.search(r"FORMAT_VERSION = (\d+)", (ROOT / "src" / "store" / "store_private.h").read_text()).group(1)
    assert palimpsest_results.FORMAT_VERSION == int(version)
    words = re.findall(r'X\(STATUS_\w+, "(\w+)"\)', (ROOT / "include" / "palimpsest" / "spec_record.h").read_text())
    assert words == STATUSES, words
    assert command.page_path(command.options_of(["x.h5"])) == Path("x-report.html")


if __name__ == "__main__":
    run_sentences()

"""The command behind tools/report: a results file, or two of them, to a page and its figures."""
import argparse
import os
import sys
from pathlib import Path

from palimpsest_results import ResultsError
from . import compare, figures_answer, figures_instruments, laws, page, results_file, verdicts

DESCRIPTION = """Makes one self-contained HTML page of a results file, with verdicts, figures and their uncertainty, and the
same figures as SVG and PNG in a folder beside it.  With two files it puts two sweeps side by side, and refuses what must not
be mixed.  Works on a sweep that is still running."""
EXITS = "exit: 0 the page is written; 2 the file cannot be used, or the page must not be put there, and why is said; 3 the page cannot be written"


def options_of(arguments):
    parser = argparse.ArgumentParser(prog="tools/report", description=DESCRIPTION, epilog=EXITS)
    parser.add_argument("results", metavar="RESULTS.h5", help="what `palimpsest run -o` wrote")
    parser.add_argument("other", metavar="B.h5", nargs="?", help="a second sweep to put beside it")
    parser.add_argument("-o", "--output", metavar="report.html", help="the page; by default RESULTS-report.html beside the results")
    return parser.parse_args(arguments)


def page_path(options):
    if options.output:
        return Path(options.output)
    results = Path(options.results)
    beside = f"-and-{Path(options.other).stem}" if options.other else "-report"
    return results.with_name(f"{results.stem}{beside}.html")


def figures_folder(path):
    return path.with_name(f"{path.stem}-figures")


def report_one(results, path):
    """Writes the page of one sweep; returns lines for the terminal."""
    judgements, found = verdicts.judge(results), laws.tournament(results)
    pictures = (figures_answer.of_answer(results, judgements, found) + figures_instruments.of_instruments(results)
                + figures_instruments.cost(results))
    svgs = page.write_figures(pictures, figures_folder(path))
    page.write(path, page.report_html(results, judgements, found, pictures, svgs))
    return [f"{results.name}: {page.state_sentence(results)}", *(judgement.sentence for judgement in judgements),
            f"Laws: {laws.verdict(found)}"]


def report_two(a, b, path):
    pictures, make, lines = compare.build(a, b)
    page.write(path, make(page.write_figures(pictures, figures_folder(path))))
    return lines


def main(arguments):
    options = options_of(arguments)
    try:
        results = results_file.load(options.results)
        path = page_path(options)
        wrong = page.refusal(path)
        if wrong:
            raise ResultsError(wrong)
        lines = report_two(results, results_file.load(options.other), path) if options.other else report_one(results, path)
    except ResultsError as error:
        print(f"tools/report: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"tools/report: {error.filename or options.results}: cannot be written or read: {error.strerror or error}", file=sys.stderr)
        return 3
    return tell([*lines, "", f"The page is    {path}", f"its figures in {figures_folder(path)}{os.sep}"])


def tell(lines):
    """0, also where whoever reads has seen enough (a pipe to head)."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

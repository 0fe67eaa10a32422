"""The page: one self-contained HTML file without scripts, fonts or pictures from elsewhere; readable on paper."""
import base64
import html
import io
import math
import os
from pathlib import Path

from matplotlib import pyplot

from . import laws, outcomes, verdicts
from .verdicts import plural
from .results_file import failures

SIGNS = {"supported": "✓", "contradicted": "✗", "non-monotone": "∪", "undecided": "?"}
SECTIONS = ["Verdicts", "The answer", "The evidence", "Laws", "Tasks", "Learning and recovery", "Layers", "Stability",
            "Other instruments", "The run"]
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; max-width: 1060px; margin: 2em auto; padding: 0 1.2em }
h1 { font-size: 1.7em; margin-bottom: .1em } h2 { margin-top: 2em; border-bottom: 2px solid #ccc; padding-bottom: .15em }
h3 { margin: 1.6em 0 .3em } p.lead { color: #444; margin-top: 0 }
table { border-collapse: collapse; margin: .8em 0; font-size: .92em }
th, td { text-align: left; padding: .3em .7em; vertical-align: top; border-bottom: 1px solid #ddd }
th { border-bottom: 2px solid #999 }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
figure { margin: 1.2em 0 1.8em; page-break-inside: avoid; break-inside: avoid }
figure img { max-width: 100%; height: auto; display: block }
figcaption { font-size: .88em; color: #333; max-width: 62em; margin-top: .4em }
.verdict { font-weight: bold; white-space: nowrap }
.supported { color: #00563f } .contradicted { color: #a33b00 } .non-monotone { color: #5b2a86 } .undecided { color: #444 }
.note { color: #444; font-size: .92em; max-width: 62em }
pre { font-size: .82em; line-height: 1.35; white-space: pre-wrap }
nav a { margin-right: 1em }
@media print {
 body { max-width: none; margin: 0; font-size: 11px } nav { display: none } a { color: inherit; text-decoration: none }
 h2, h3 { page-break-after: avoid; break-after: avoid } tr { page-break-inside: avoid; break-inside: avoid }
}
"""


def escape(words):
    return html.escape(str(words), quote=True)


def table(head, rows, numbers=()):
    """An HTML table; numbers: columns that are set flush right.  Cells that begin with "<" are taken as they are."""
    def cell(place, value):
        kind = ' class="number"' if place in numbers else ""
        return f"<td{kind}>{value if str(value).startswith('<') else escape(value)}</td>"
    body = "\n".join(f"<tr>{''.join(cell(place, value) for place, value in enumerate(row))}</tr>" for row in rows)
    return f"<table>\n<tr>{''.join(f'<th>{escape(word)}</th>' for word in head)}</tr>\n{body}\n</table>\n"


def anchor(words):
    return "".join(c if c.isalnum() else "-" for c in words.lower())


# ---- figures ----

def svg_of(figure):
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return stream.getvalue()


def figure_html(picture, svg):
    data = base64.b64encode(svg).decode()
    return (f'<h3>{escape(picture.title)}</h3>\n<figure><img src="data:image/svg+xml;base64,{data}" alt="{escape(picture.title)}">\n'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>\n")


def write_figures(pictures, folder):
    """Each picture as NAME.svg and NAME.png in the folder; returns the SVG of each by name."""
    folder.mkdir(exist_ok=True)
    svgs = {}
    for picture in pictures:
        svgs[picture.name] = svg_of(picture.figure)
        (folder / f"{picture.name}.svg").write_bytes(svgs[picture.name])
        picture.figure.savefig(folder / f"{picture.name}.png", metadata={"Software": None})
        pyplot.close(picture.figure)
    return svgs


# ---- parts in words ----

def state_sentence(results):
    total, done = sum(results.statuses.values()), results.statuses.get("done", 0)
    said = f"{done} of {plural(total, 'stage')} done"
    said += f", {failures(results)} failed or skipped" if failures(results) else ""
    if done + failures(results) < total:
        said += "; the sweep is not finished, and all numbers are of what is in so far"
    axes = [f"{results.data.sizes[d]} {d}" for d in results.data["forgetting"].dims] if results.has("forgetting") else []
    return f"{said}. Grid: {' × '.join(axes)}." if axes else f"{said}."


def reasons_sentence(results):
    if not results.reasons:
        return ""
    listed = "; ".join(f"{count} × {reason}" for reason, count in sorted(results.reasons.items(), key=lambda r: -r[1])[:5])
    return f'<p class="note">Why stages failed: {escape(listed)}.</p>\n'


def verdict_cell(judgement):
    return f'<span class="verdict {judgement.verdict}">{SIGNS[judgement.verdict]} {judgement.verdict}</span>'


def rule_words(claim):
    wanted = {"down": "falls", "up": "rises", "none": "does not change"}[claim.direction]
    how = {"slope_per_doubling": f"{claim.outcome} {wanted} with {claim.axis} (slope per doubling)",
           "last_minus_first": f"{claim.outcome} {wanted} from one end of {claim.axis} to the other",
           "residual_given_lm_loss": f"given the language-modelling loss, {claim.outcome} {wanted} with "
                                     f"{'anything' if claim.axis == 'all' else claim.axis}"}[claim.statistic]
    how += {"equal_success": ", read where B is learnt equally well", "same_training": ", read after the same training on B"}.get(
        claim.reading if not claim.outcome.endswith("equal_success") else "", "")
    return f"{how}; α = {claim.alpha:g} after Holm, none: within ±{claim.equivalence:g}, at least {claim.minimum_seeds} seeds"


def verdict_table(judgements):
    def claim_cell(claim):
        return f"<b>{escape(claim.name.replace('_', ' '))}</b><br><small>{escape(rule_words(claim))}</small>"
    return table(["claim", "verdict", "why"], [(claim_cell(j.claim), verdict_cell(j), j.reason) for j in judgements])


def readings_table(results, judgements):
    rows = []
    for judgement in judgements:
        for place, estimate in enumerate(judgement.evidence.estimates):
            counts = outcomes.count(results, estimate.reading)
            name = judgement.claim.name.replace("_", " ") if place == 0 else ""
            rows.append((name, estimate.reading.name + (" (decides)" if place == 0 else ""), verdicts.signed(estimate.interval), estimate.interval.count, f"{counts['used']} of {counts['cells']}",
                         counts["missing"], counts["failed"], counts["broken"] + counts["waiting"]))
        for measure, interval in judgement.evidence.fellows:
            rows.append(("", f"{measure}, read as what decides", verdicts.signed(interval), interval.count, "", "", "", ""))
    if not rows:
        return ""
    notes = {e.reading.name: e.reading.note for j in judgements for e in j.evidence.estimates if e.reading.note}
    said = "".join(f'<p class="note"><b>{escape(name)}</b>: {escape(note)}.</p>\n' for name, note in notes.items())
    return ("<h3>Every reading, and what is missing</h3>\n"
            + table(["claim", "reading", "effect per doubling [interval]", "seeds", "cells used", "left out or not learnt",
                     "failed on A or B", "not finished"], rows, {2, 3, 4, 5, 6, 7}) + said
            + '<p class="note">A cell is one grid point of one seed; untrained models (amount 0) are not among them. Counting what '
              "was not learnt as 0 or as 1 is no reading of its own: it shows how far the missing could carry the answer.</p>\n")


def interactions_html(results, judgements):
    slopes = [j for j in judgements if j.claim.statistic == "slope_per_doubling" and j.evidence.estimates]
    if not slopes:
        return ""
    outcome, axes = slopes[0].claim.outcome, list(dict.fromkeys(j.claim.axis for j in slopes))
    rows = [(" × ".join(names), verdicts.signed(interval), f"{interval.p:.2g}" if math.isfinite(interval.p) else "", interval.count)
            for names, interval in verdicts.interactions(results, outcome, axes)]
    extra = []
    ratio = verdicts.at_fixed_ratio(judgements)
    if ratio is not None and math.isfinite(ratio.mean):
        extra.append(f"Size at fixed tokens per parameter (tokens double with the weights; to first order the sum of both slopes): "
                     f"{verdicts.signed(ratio)} per doubling, {ratio.count} seeds.")
    on_off = next((j.evidence.on_off for j in judgements if j.evidence.on_off is not None), None)
    if on_off is not None:
        extra.append(f"Pretraining at all (mean of all amounts minus amount 0, a contrast of its own): {verdicts.signed(on_off)}, "
                     f"{on_off.count} seeds.")
    said = "".join(f'<p class="note">{escape(line)}</p>\n' for line in extra)
    if not rows:
        return said
    return (f"<h3>Interactions of the axes</h3>\n<p class=\"note\">How much the effect of the one on {escape(outcome.replace('_', ' '))} "
            "changes when the other doubles; slopes of slopes, one per seed, p not corrected.</p>\n"
            + table(["axes", "effect [95 % interval]", "p", "seeds"], rows, {1, 2, 3}) + said)


def laws_html(found):
    said = f"<p>{escape(laws.verdict(found))}</p>\n"
    if found.trouble:
        return said
    rows = []
    for law in found.laws:
        margin = found.margins.get(law.name)
        rows.append((laws.TITLES[law.name], *(f"{errors[~(errors != errors)].mean():.3f}" for errors in law.errors.values()),
                     "best" if margin is None else verdicts.signed(margin),
                     "; ".join(f"{name} {value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"
                               for name, value in law.parameters.items())))
    return said + table(["law", *(f"error on {block}" for block in found.held_out), "squared error beyond the best [95 % interval]",
                         "parameters, each seed fitted alone [95 % interval]"], rows, set(range(1, 2 + len(found.held_out))))


def certificate_html(results):
    rows = []
    for place, c in enumerate(results.certificates, 1):
        idle = sum(c[key] for key in c if key.startswith("idle_"))
        rows.append((place, c["ranks"], f"{c['makespan']:.1f}", f"{c['lower_bound']:.1f}",
                     f"{c['makespan'] / c['lower_bound']:.3f}" if c["lower_bound"] > 0 else "", f"{idle:.1f}", c["steps_executed"],
                     c["steps_tree"], c["stages_done"], c["stages_failed"]))
    said = table(["start", "ranks", "makespan, s", "lower bound, s", "ratio", "idle, rank-s", "steps executed", "steps of the minimal tree",
                  "stages done", "failed"], rows, set(range(10))) if rows else ""
    facts = table(["", ""], [(key.replace("_", " "), value) for key, value in results.facts.items()]) if results.facts else ""
    settings = f"<details><summary>Every setting of the sweep</summary><pre>{escape(chr(10).join(results.settings))}</pre></details>\n"
    return reasons_sentence(results) + said + facts + (settings if results.settings else "")


METHODS = """<p class="note">Unit of inference: the seed. For each seed one slope (or contrast) along the axis, everything else held,
by least squares within blocks; amount 0 is never a point on a slope. Over the seeds Student's t, or the bootstrap-t where at least ten
seeds are skewed. A claim is <b>supported</b> or <b>contradicted</b> when its slope differs from 0 after Holm's correction over the
claims and no other measure of forgetting or reading points the other way; <b>contradicted</b> also when two one-sided tests put it
inside the margin that the rule calls none; <b>non-monotone</b> when the slopes before and after a point both differ from 0 with
opposite signs; else <b>undecided</b>. The rule was stored in the file before there were results.</p>
"""


# ---- the whole ----

def section_html(name, parts):
    body = "".join(part for part in parts if part)
    return f'<h2 id="{anchor(name)}">{escape(name)}</h2>\n{body}' if body else ""


BEGINS = "<!DOCTYPE html>"  # by which a page is known


def document(title, lead, sections):
    """sections: heading -> list of HTML parts, empty ones left out."""
    named = [(name, section_html(name, parts)) for name, parts in sections.items()]
    named = [(name, body) for name, body in named if body]
    links = " ".join(f'<a href="#{anchor(name)}">{escape(name)}</a>' for name, _ in named)
    return (f'{BEGINS}\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
            f'<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,"><style>{STYLE}</style></head>\n<body>\n'
            f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>\n<nav>{links}</nav>\n{"".join(body for _, body in named)}'
            "</body></html>\n")


def report_html(results, judgements, found_laws, pictures, svgs):
    sections = {name: [] for name in SECTIONS}
    sections["Verdicts"] = [verdict_table(judgements) if judgements else "<p>The sweep file makes no claims.</p>\n"]
    for picture in pictures:
        sections[picture.section].append(figure_html(picture, svgs[picture.name]))
    sections["The evidence"] += [readings_table(results, judgements), interactions_html(results, judgements), METHODS]
    sections["Laws"].insert(0, laws_html(found_laws))
    sections["The run"].append(certificate_html(results))
    return document(f"{results.name}: what is left of the first task?",
                    f"{os.path.basename(results.path)}: {state_sentence(results)}", sections)


def refusal(path):
    """Why a page must not be put at a path, before anything is computed; empty where it may."""
    if not path.parent.is_dir():
        return f"{path}: there is no folder {path.parent}; create it first"
    if not path.exists() and not path.is_symlink():
        return ""
    if not path.is_file():
        return f"{path}: is no regular file; name another with -o"
    with open(path, "rb") as file:
        if file.read(len(BEGINS)) != BEGINS.encode():
            return f"{path}: is there already and is no page of a report; name another with -o"
    return ""


def write(path, words):
    """The page under a temporary name first, so that a page that is there is whole."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(words, encoding="utf-8")
    os.replace(temporary, path)

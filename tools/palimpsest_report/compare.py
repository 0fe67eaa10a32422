"""Two sweeps side by side, where that means something: the same test sets, reference windows and version of the numbers."""
import os

import numpy
import xarray

import palimpsest_results
from palimpsest_results import ResultsError
from . import outcomes, page, statistics, verdicts
from .figures import (COLOURS, DASHES, MARKERS, Picture, draw_line, dress_axis, interval_words, is_zero, places_along, row_of_panels,
                      varied_axes)

COMPARED = ["forgetting", "forgetting_drop", "second_accuracy_second", "second_lm_rise", "transfer"]
MUST_AGREE = ["evaluate.items", "evaluate.tokens", "model.context"]


def refusals(a, b):
    """Why the numbers of two sweeps must not be laid side by side: a list of sentences, empty where they may."""
    said = []
    if os.path.exists(a.path) and os.path.exists(b.path) and os.path.samefile(a.path, b.path):
        said.append("they are one and the same file")
    common = sorted(set(a.identity.get("tasks", {})) & set(b.identity.get("tasks", {})))
    if not common:
        said.append("they have no task in common")
    other = [name for name in common if a.identity["tasks"][name] != b.identity["tasks"][name]]
    if other:
        said.append(f"the test items of {', '.join(other)} are not the same")
    domains = set(a.identity.get("domains", {})) & set(b.identity.get("domains", {}))
    moved = sorted(name for name in domains if a.identity["domains"][name] != b.identity["domains"][name])
    if moved:
        said.append(f"the reference windows of {', '.join(moved[:4])}{' ...' if len(moved) > 4 else ''} are not the same")
    for key in MUST_AGREE:
        if a.setting(key) != b.setting(key):
            said.append(f"{key} is {a.setting(key)} in the one and {b.setting(key)} in the other")
    if a.facts.get("numerics_version") != b.facts.get("numerics_version"):
        said.append(f"their numbers are of different versions ({a.facts.get('numerics_version')} and {b.facts.get('numerics_version')})")
    return said


def require_comparable(a, b):
    said = refusals(a, b)
    if said:
        raise ResultsError(f"{a.path} and {b.path} must not be mixed: {'; '.join(said)}")


def differing_settings(a, b):
    """(key, value in A, value in B) of every setting that is not the same; values of sizes keep their indented lines."""
    one, other = (dict(keyed(results.settings)) for results in (a, b))
    return [(key, one.get(key, "-"), other.get(key, "-")) for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]


def keyed(lines):
    key = ""
    for line in lines:
        words = line.split()
        if line.startswith("  ") and len(words) > 3:
            yield f"{key} {' '.join(words[:3])}", " ".join(words[3:])
        elif words:
            key = words[0]
            yield key, " ".join(words[1:])


def common_part(a, b, name, untrained=False):
    """A variable of both, cut to the labels that both have, in one order; None where nothing is common.

    Axes that only one of the two varies are averaged over; untrained: whether models of amount 0 stay.
    """
    if name not in a.data or name not in b.data:
        return None
    one, other = (r.data[name] if untrained else outcomes.pretrained_only(r, r.data[name]) for r in (a, b))
    one = one.mean([d for d in one.dims if d not in other.dims])
    other = other.mean([d for d in other.dims if d not in one.dims])
    plain = [array.drop_vars([c for c in array.coords if c not in array.dims]) for array in (one, other)]
    one, other = xarray.align(*plain, join="inner")
    return (one, other.transpose(*one.dims)) if one.size else None


def differences(a, b):
    """Of pretrained models: (name, Interval of B minus A over the seeds they share, cells compared): the same seed has the same initial weights and
    order of data in both, so the seeds are paired."""
    found = []
    for name in COMPARED:
        pair = common_part(a, b, name)
        if pair is None or "seed" not in pair[0].dims:
            continue
        apart = (pair[1] - pair[0]).transpose(..., "seed").values
        values = statistics.mean_present(apart.reshape(-1, apart.shape[-1]), axis=0)
        found.append((name, statistics.estimate(values), int(numpy.isfinite(apart).sum())))
    return found


def names_of(a, b):
    """Short names of the two for legends: the sweep's, with the file's where those are the same."""
    return (a.name, b.name) if a.name != b.name else (f"{a.name} ({os.path.basename(a.path)})", f"{b.name} ({os.path.basename(b.path)})")


def figure(a, b, name, title):
    """One panel for each axis that both vary: a line for each sweep, over the labels both have."""
    pair = common_part(a, b, name, untrained=True)
    if pair is None:
        return []
    axes = [axis for axis in varied_axes(a.data, pair[0]) if pair[0].sizes.get(axis, 0) > 1]
    if not axes:
        return []
    figure, panels = row_of_panels(len(axes), 1, height=2.9, sharey=True)
    seeds = 0
    for panel, axis in zip(panels[0], axes):
        data = a.data.sel({axis: pair[0][axis].values})
        x, _, _ = places_along(data, axis)
        drawn = pair if axis == "tokens" else common_part(a, b, name)
        for place, (array, label) in enumerate(zip(drawn, names_of(a, b))):
            answer = palimpsest_results.over_seeds(array, [axis])
            seeds = max(seeds, int(answer["seeds"].max()))
            draw_line(panel, x, *(answer[k].values for k in ("mean", "low", "high")), is_zero(data, axis),
                      {"color": COLOURS[place], "marker": MARKERS[place], "linestyle": DASHES[place]}, label, shift=0.05 * place)
        dress_axis(panel, data, axis)
    panels[0, 0].set_ylabel(name.replace("_", " "))
    panels[0, 0].legend()
    return [Picture(f"compare_{name}", "Side by side", title, f"Over the grid points both sweeps have, averaged over what a panel does not "
                    f"show, untrained models left out where it does not show the amount. n: {seeds} seeds. {interval_words(seeds)}.", figure)]


def build(a, b):
    """(pictures, function that makes the page from their SVGs, lines for the terminal)."""
    require_comparable(a, b)
    judged = [verdicts.judge(results) for results in (a, b)]
    pictures = figure(a, b, "forgetting", "Forgetting") + figure(a, b, "second_accuracy_second", "What was learnt of B")
    pictures += figure(a, b, "second_lm_rise", "What language modelling lost")
    apart = differences(a, b)
    rows = [(name.replace("_", " "), verdicts.signed(interval), f"{interval.p:.2g}" if interval.count > 1 else "", interval.count, cells)
            for name, interval, cells in apart]
    one, other = names_of(a, b)

    def make(svgs):
        tables = [f"<h3>{page.escape(name)}</h3>\n{page.verdict_table(j)}" for name, j in zip((one, other), judged)]
        settings = page.table(["setting", one, other], differing_settings(a, b))
        sections = {"Side by side": [page.table([f"{other} minus {one}", "mean [95 % interval]", "p", "seeds in common", "cells compared"],
                                                rows, {1, 2, 3, 4}) + '<p class="note">Of pretrained models.</p>\n' if rows else "<p>They share no grid point and seed.</p>\n",
                                     *(page.figure_html(picture, svgs[picture.name]) for picture in pictures)],
                    "Verdicts": tables + [page.METHODS], "What differs in the settings": [settings]}
        lead = f"A: {os.path.basename(a.path)}, {page.state_sentence(a)} B: {os.path.basename(b.path)}, {page.state_sentence(b)}"
        return page.document(f"{one} beside {other}", lead, sections)
    lines = [f"{name}: {other} minus {one} is {said} ({cells} cells)" for (name, said, _, _, cells) in rows]
    return pictures, make, lines

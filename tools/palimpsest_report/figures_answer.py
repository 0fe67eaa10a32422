"""Figures of the question itself: forgetting along every axis, the map, the verdicts, the loss, the laws."""
import textwrap

import numpy
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

import palimpsest_results
from . import laws, outcomes, verdicts
from .verdicts import plural
from .figures import (COLOURS, MAP, Picture, axis_word, blank_unused, bounds_of, cut_bars, draw_panel, interval_words, labels_along,
                      legend_above, lines_for, look_of, mark_chance, row_of_panels, short, unit_word, varied_axes, words_of)

WORDS = {"forgetting": "forgetting: share of what was\nlearnt of A that is gone", "forgetting_drop": "drop of accuracy on A",
         "forgetting_loss_rise": "rise of the loss on A (nats)"}


def by_axes(results, name, section, title, read, ylabel, lead, learnt=False):
    """A row of panels, one per axis; read(axis): the array to draw along it; learnt: a second row, how much there was to
    forget.  None where nothing varies."""
    data = results.data
    axes = varied_axes(data, read(None))
    if not axes:
        return None
    figure, panels = row_of_panels(len(axes), 2 if learnt else 1, height=2.7, sharey="row")
    seeds, hidden = 0, 0
    for column, axis in enumerate(axes):
        lines = lines_for(axis, axes)
        kept = (lambda array: array) if "tokens" in (axis, lines) else (lambda array: outcomes.pretrained_only(results, array))
        used, left = draw_panel(panels[0, column], data, kept(read(axis)), axis, lines)
        seeds, hidden = max(seeds, used), hidden + left
        if learnt:
            draw_panel(panels[1, column], data, kept(share_learnt(results)), axis, lines, legend=False)
            panels[1, column].set_ylim(-0.04, 1.04)
            panels[0, column].set_xlabel("")
    panels[0, 0].set_ylabel(ylabel if "\n" in ylabel else textwrap.fill(ylabel, 34))
    if learnt:
        panels[1, 0].set_ylabel("share of cells in which\nA was learnt at all")
    cut = cut_bars(list(panels[0]), *bounds_of(read(None).name))
    chance = mark_chance(panels[0], results, read(None).name)
    for panel in panels[0]:
        panel.axhline(0, color="#888888", linewidth=0.8, zorder=0)
    held = "Each panel averages over every axis it does not show"
    held += ", untrained models left out where it does not show the amount. " if "tokens" in axes else ". "
    few = " Hollow points rest on fewer seeds than the fullest one; with fewer than two seeds there is no bar." if seeds > 1 else ""
    apart = " Untrained models (none) stand apart: they are a control, not a point on the curve." if "tokens" in axes else ""
    apart += chance + (" Bars that leave the panel are cut." if cut else "")
    omitted = f" {hidden} lines between those shown are left out." if hidden else ""
    return Picture(name, section, title, f"{lead} {held}{interval_words(seeds)}.{few}{apart}{omitted}", figure)


def share_learnt(results):
    """1 where a finished cell has a forgetting, 0 where nothing was learnt, NaN where it is not finished."""
    array = outcomes.plain(results, "forgetting")
    done = outcomes.status_of(results.data, array) == outcomes.DONE
    return array.notnull().astype(float).where(done)


def counted(results, array, why="A was not learnt, so there was nothing to forget"):
    counts = outcomes.count(results, outcomes.Reading("", array), pretrained=False)
    said = f"n = {counts['used']} of {counts['cells']} cells; in {counts['missing']} {why}"
    said += f"; {counts['broken']} failed or were skipped" if counts["broken"] else ""
    said += f"; {counts['waiting']} are not in yet" if counts["waiting"] else ""
    return f"{said}."


def answers(results):
    """Forgetting by axis, in the default reading and, where that is another one, at fixed steps as well."""
    if "forgetting" not in results.data:
        return []
    plain = outcomes.plain(results, "forgetting")

    def at_equal(axis):
        reading = outcomes.readings(results, "forgetting", axis or "size")[0]
        return reading.array if reading.name in (outcomes.EQUAL, outcomes.COMMON) else plain
    found, section = [], "The answer"
    axes = varied_axes(results.data, plain)
    reading = outcomes.readings(results, "forgetting", axes[0])[0] if axes else None
    if reading is not None and reading.name in (outcomes.EQUAL, outcomes.COMMON):
        found.append(by_axes(results, "forgetting_at_equal_success", section, f"Forgetting {reading.name}", at_equal,
                             WORDS["forgetting"], f"{reading.note}; 0: nothing of A is gone, 1: all of it. "
                             + counted(results, at_equal(axes[0]), "A or B was not learnt well enough, so nothing is compared")))
    found.append(by_axes(results, "forgetting", section, "Forgetting after the same training on B", lambda axis: plain,
                         WORDS["forgetting"], "0: nothing of A is gone, 1: all of it, down to chance. " + counted(results, plain),
                         learnt=True))
    return [picture for picture in found if picture]


def retention(results):
    try:
        name = f"{palimpsest_results.last_place(results.data)}_lm_rise"
    except palimpsest_results.ResultsError:
        return []
    picture = by_axes(results, "lm_retention", "The answer", "What language modelling lost", lambda axis: results.data[name],
                      "rise of the LM loss since\npretraining (nats per token)",
                      f"n = {int(results.data[name].notnull().sum())} cells. Mean over the reference domains, after the last task.")
    return [picture] if picture else []


# ---- the map ----

def maps(results):
    """Size by tokens, one map for each variety: forgetting of the default data, with how many cells had something to forget."""
    data = results.data
    if "forgetting" not in data or not {"size", "tokens"} <= set(data["forgetting"].dims):
        return []
    array = outcomes.plain(results, "forgetting")
    varied = "variety" if "variety" in array.dims else None
    answer = palimpsest_results.over_seeds(array, ["size", "tokens"] + ([varied] if varied else []))
    asked = outcomes.status_of(data, array) != outcomes.EXCLUDED
    answer["asked"] = asked.sum([name for name in array.dims if name not in answer["mean"].dims])
    count = data.sizes[varied] if varied else 1
    figure, panels = row_of_panels(min(count, 4), -(-count // 4), width=3.3, height=2.9, sharex=True, sharey=True)
    image = None
    for place in range(count):
        one = answer.isel({varied: place}) if varied else answer
        panel = panels.ravel()[place]
        image = draw_map(panel, one.transpose("tokens", "size"), data)
        panel.set_title(plural(int(data[varied].values[place]), "domain") if varied else "")
    blank_unused(panels, count)
    for row in panels:
        row[0].set_ylabel(axis_word("tokens"))
    figure.colorbar(image, ax=panels, label="forgetting", shrink=0.85)
    caption = ("Mean forgetting at each size and amount of pretraining; under it half the width of its 95 % t interval over seeds, "
               "where two seeds or more have values, and in how many of how many cells A was learnt. Hatched: in none. "
               + counted(results, array))
    return [Picture("map", "The answer", "The map: size by tokens, for each variety", caption, figure)]


def draw_map(panel, answer, data):
    mean, half = answer["mean"].values, (answer["high"] - answer["mean"]).values
    used, asked = answer["values"].values, answer["asked"].values
    panel.grid(False)
    panel.set_facecolor("#f2f2f2")
    image = panel.imshow(mean, origin="lower", aspect="auto", cmap=MAP, vmin=0, vmax=1)
    for (row, column), value in numpy.ndenumerate(mean):
        share = f"{used[row, column]}/{asked[row, column]}"
        if not numpy.isfinite(value):
            panel.text(column, row, share, ha="center", va="center", fontsize=7, color="#444444", zorder=4,
                       bbox={"facecolor": "#f2f2f2", "edgecolor": "none", "pad": 1})
            panel.fill([column - .5, column + .5, column + .5, column - .5], [row - .5, row - .5, row + .5, row + .5], fill=False,
                       hatch="////", edgecolor="#bbbbbb", linewidth=0)
            continue
        bars = f"\n±{half[row, column]:.2f}" if numpy.isfinite(half[row, column]) else ""
        panel.text(column, row, f"{value:.2f}{bars}\n{share}", ha="center", va="center", fontsize=6.8,
                   color="black" if value > 0.55 else "white")
    panel.set_xticks(range(mean.shape[1]), labels_along(data, "size"))
    panel.set_yticks(range(mean.shape[0]), [label.replace(" (untrained)", "") for label in labels_along(data, "tokens")])
    panel.set_xlabel("model")
    return image


# ---- verdicts ----

def forest(judgements):
    """Every reading of every claim with a slope: estimate, interval, and the margin that counts as none."""
    rows = [(judgement, estimate) for judgement in judgements for estimate in judgement.evidence.estimates
            if numpy.isfinite(estimate.interval.mean)]
    if not rows:
        return []
    figure, panels = row_of_panels(1, 1, width=7.2, height=0.55 + 0.27 * (len(rows) + len({id(j) for j, _ in rows})))
    panel, y, ticks, labels = panels[0, 0], 0, [], []
    reach = max(abs(v) for _, e in rows for v in (e.interval.mean, e.interval.low, e.interval.high) if numpy.isfinite(v))
    reach = max([reach, *(2 * j.claim.equivalence for j, _ in rows), 1e-6])
    shown = None
    for judgement, estimate in rows:
        if judgement is not shown:
            shown = judgement
            panel.text(0.0, y, f"{judgement.claim.name.replace('_', ' ')}: {judgement.verdict}", fontweight="bold", va="center",
                       transform=blended_transform_factory(panel.transAxes, panel.transData), fontsize=8.5,
                       bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})
            y -= 1
        draw_row(panel, y, judgement, estimate)
        ticks.append(y)
        labels.append(f"{estimate.reading.name} ({plural(estimate.interval.count, 'seed')})")
        y -= 1
    panel.set_yticks(ticks, labels)
    panel.set_ylim(y + 0.3, 0.6)
    panel.axvline(0, color="black", linewidth=0.9)
    panel.set_xlim(-1.12 * reach, 1.12 * reach)
    panel.set_xlabel("change of the outcome per doubling of the axis")
    panel.grid(axis="y", visible=False)
    caption = ("Each row is one way to read the same files; the filled point is the reading that the verdict rests on. Bars: "
               f"{100 * rows[0][1].interval.level:g} % intervals over seeds (one slope per seed, then t, or bootstrap-t where skewed), "
               "not corrected for the number of claims. Grey: the margin inside which the rule counts an effect as none. "
               "n: seeds in brackets. Claims by last_minus_first: between the ends of the axis.")
    return [Picture("verdicts", "The evidence", "The claims, read in every way the file allows", caption, figure)]


def draw_row(panel, y, judgement, estimate):
    first = estimate is judgement.evidence.estimates[0]
    interval, margin = estimate.interval, judgement.claim.equivalence
    colour = "#999999" if estimate.reading.bound else COLOURS[0] if first else COLOURS[1]
    panel.fill_betweenx([y - 0.5, y + 0.5], -margin, margin, color="#e6e6e6", linewidth=0, zorder=0)
    if numpy.isfinite(interval.low):
        panel.plot([interval.low, interval.high], [y, y], color=colour, linewidth=1.6)
    panel.plot([interval.mean], [y], marker="o" if first else "D" if not estimate.reading.bound else "|", color=colour,
               markerfacecolor=colour if first else "white", markersize=6)


# ---- the loss ----

def loss_figure(results, judgement):
    """The outcome against the language-modelling loss, one marker per size, with the best monotone function."""
    residual = judgement.evidence.residual
    if residual is None or residual.trouble:
        return []
    figure, panels = row_of_panels(2, 1, width=3.7, height=3.1)
    panel = panels[0, 0]
    lines = next((axis for axis in ("size", "tokens", "variety") if axis in residual.levels), next(iter(residual.levels)))
    level = residual.levels[lines]
    names = labels_along(results.data, lines)
    for place in range(level.max() + 1):
        own = level == place
        look = look_of(place, level.max() + 1)
        panel.plot(residual.loss[own].ravel(), residual.outcome[own].ravel(), linestyle="", color=look["color"],
                   marker=look["marker"], label=names[place], alpha=0.8, markersize=4)
    there = numpy.isfinite(residual.fitted)
    order = numpy.argsort(residual.loss[there])
    panel.plot(residual.loss[there][order], residual.fitted[there][order], color="black", linewidth=1.2, drawstyle="steps-mid",
               label="best monotone g")
    panel.set_xlabel("language-modelling loss after pretraining\n(nats per token, mean over reference domains)")
    panel.set_ylabel(judgement.claim.outcome.replace("_", " ") + unit_word(results.data, judgement.claim.outcome))
    legend_above(panel, lines)
    draw_residual_slopes(panels[0, 1], residual, judgement.claim)
    caption = (f"Left: n = {int(there.sum())} pretrained models (grid points times seeds), effects of pair and seed taken out. Right: what "
               f"an axis still changes per doubling once the loss is accounted for, circles from the residuals, squares from pairs of "
               f"models whose losses differ by less than 5 % of the range (how many is written beside them); bars: "
               f"{100 * (1 - judgement.claim.alpha):g} % intervals over seeds; grey: the margin that counts as none.")
    return [Picture("lm_loss", "The evidence", "Is the language-modelling loss enough?", caption, figure)]


def draw_residual_slopes(panel, residual, claim):
    panel.axvspan(-claim.equivalence, claim.equivalence, color="#e6e6e6", linewidth=0)
    panel.axvline(0, color="black", linewidth=0.9)
    names = list(residual.slopes)
    for place, name in enumerate(names):
        matched, pairs = residual.matched[name]
        for interval, y, look, word in ((residual.slopes[name], place - 0.12, {"marker": "o", "color": COLOURS[0]}, ""),
                                        (matched, place + 0.12, {"marker": "s", "color": COLOURS[1]}, plural(pairs, "pair"))):
            if not numpy.isfinite(interval.mean):
                continue
            panel.plot([interval.mean], [y], linestyle="", **look)
            if numpy.isfinite(interval.low):
                panel.plot([interval.low, interval.high], [y, y], color=look["color"])
            if word:
                panel.annotate(word, (interval.mean, y), xytext=(0, -11), textcoords="offset points", ha="center", fontsize=7)
    panel.set_yticks(range(len(names)), [words_of(name) for name in names])
    panel.set_ylim(len(names) - 0.4, -0.6)
    panel.set_xlabel("change per doubling at one loss")
    panel.xaxis.set_major_locator(MaxNLocator(5))


# ---- laws ----

def law_figure(results, found):
    """Means at each point and the curves of the laws, those fitted without the held-out block in full strength."""
    if found.trouble:
        return []
    table = found.table
    figure, panels = row_of_panels(len(found.speaks_of), 1, width=4.2, height=3.1)
    mean = table.y.copy()
    for column, axis in enumerate(found.speaks_of):
        panel, x = panels[0, column], getattr(table, axis)
        places = numpy.unique(x.round(6))
        seed_means = numpy.array([numpy.nanmean(mean[abs(x - p) < 1e-5], axis=0) for p in places])
        answer = [verdicts.statistics.t_interval(row) for row in seed_means]
        panel.errorbar(places, [a.mean for a in answer], [[a.mean - a.low for a in answer], [a.high - a.mean for a in answer]],
                       marker="o", linestyle="", color="black", label="measured")
        held = {"size": "the largest size", "tokens": "the longest amount"}[axis]
        rows = laws.blocks_of(table, found.speaks_of)[held]
        for place, law in enumerate(found.laws):
            weights, _, design = laws.fit(law.name, table, laws.statistics.mean_present(table.y, axis=1), numpy.flatnonzero(~rows),
                                          found.speaks_of)
            fitted = design @ weights
            panel.plot(places, [fitted[abs(x - p) < 1e-5].mean() for p in places], color=COLOURS[place], marker="",
                       linestyle=look_of(place, 4)["linestyle"], label=f"{laws.TITLES[law.name]}: {numpy.nanmean(law.errors[held]):.3f}")
        panel.axvspan(places[-1] - 0.3, places[-1] + 0.3, color="#eeeeee", linewidth=0)
        panel.set_xlabel(f"doublings of {axis_word(axis)}\nabove {short_least(results, axis)}")
        panel.legend(title="law: error on the grey block", fontsize=7)
    panels[0, 0].set_ylabel("forgetting")
    seeds = table.y.shape[1]
    return [Picture("laws", "Laws", "Laws, and how they predict what they have not seen",
                    f"Black: means over everything else with 95 % t intervals over n = {seeds} seeds. Every curve was fitted without the "
                    "grey block and has to predict it; the number beside its name is its root mean square error there.", figure)]


def short_least(results, axis):
    places = outcomes.raw_places(results.data, axis).values
    return short(float(places[places > 0].min()))


def of_answer(results, judgements, found_laws):
    pictures = [*answers(results), *maps(results), *retention(results), *forest(judgements)]
    for judgement in judgements:
        pictures += loss_figure(results, judgement)
    return pictures + law_figure(results, found_laws)

"""How figures look, and the drawing of one panel: lines along an axis with intervals over seeds.

Colours are safe for colour-blind readers and differ in lightness; every line also has its own marker and dashes, so a print
in grey is read as well.
"""
import math
import re
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")
import numpy
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, NullLocator

import palimpsest_results
from . import outcomes

# Okabe and Ito 2008, without the yellow that vanishes on white.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
DASHES = ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 3))]
MOST_LINES = 5
MAP = "cividis"
STYLE = {"font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "legend.fontsize": 8, "legend.title_fontsize": 8,
         "xtick.labelsize": 8, "ytick.labelsize": 8, "axes.spines.top": False, "axes.spines.right": False,
         "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "lines.linewidth": 1.4, "lines.markersize": 4.5,
         "legend.frameon": False, "figure.dpi": 100, "savefig.dpi": 150, "svg.hashsalt": "palimpsest", "svg.fonttype": "path",
         "figure.max_open_warning": 0,  # a page has more, each closed as it is written
         "axes.axisbelow": True, "errorbar.capsize": 2}
matplotlib.rcParams.update(STYLE)


@dataclass
class Picture:
    """A figure with what stands under it.  section: the heading of the page it belongs to."""
    name: str
    section: str
    title: str
    caption: str
    figure: object


# ---- words ----

def short(number):
    """A number of weights or tokens in a few characters: 3.3k, 66k, 1.0M."""
    if not math.isfinite(number) or number == 0:
        return "0"
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            value = number / size
            return f"{value:.0f}{unit}" if value >= 9.95 else f"{value:.1f}{unit}"
    return f"{number:g}" if abs(number) >= 1 or number == 0 else f"{number:.2g}"


AXIS_WORDS = {"size": "weights of the model, embeddings not counted", "tokens": "pretraining tokens",
              "variety": "domains read in pretraining"}
LINE_WORDS = {"size": "model", "tokens": "tokens", "variety": "domains", "pair": "pair", "task": "task"}


def words_of(name):
    """The name of a variable as words."""
    return " ".join({"lm": "LM", "cka": "CKA", "rsa": "RSA"}.get(word, word) for word in name.split("_"))


def line_word(lines):
    """Title of a legend whose lines are the values of a dimension."""
    return LINE_WORDS.get(lines, lines.replace("_", " "))


def axis_word(axis):
    return AXIS_WORDS.get(axis, axis.replace("_", " "))


def label_of(axis, value):
    """A value of an axis for a legend: amounts short, the rest as they are."""
    if axis == "tokens" and isinstance(value, (int, float, numpy.number)):
        return "0 (untrained)" if value == 0 else short(float(value))
    return f"{value:g}" if isinstance(value, (float, numpy.floating)) else str(value)


def labels_along(data, axis):
    values = data[axis].values if axis in data.coords else numpy.arange(data.sizes[axis])
    return [label_of(axis, value) for value in values]


def unit_word(data, name):
    """Units of a variable in brackets, or nothing where it is a share."""
    units = data[name].attrs.get("units", "1") if name in data else "1"
    return "" if units in ("1", "") else f" ({units})"


def interval_words(seeds, level=0.95):
    return (f"Points are means over {seeds} seeds of each seed's own mean, bars {100 * level:g} % t intervals over those seeds"
            if seeds > 1 else "There is one seed, so there are no intervals")


# ---- axes of a panel ----

def varied_axes(data, array, only_plain=True):
    """Axes worth a panel: size, tokens, variety, then the others that the sweep varies."""
    first = [axis for axis in ("size", "tokens", "variety") if array.sizes.get(axis, 0) > 1]
    rest = [str(d) for d in array.dims if d not in (*first, "seed", "pair", "task", "domain", "layer", "point")
            and array.sizes[d] > 1]
    return first + (rest if only_plain else [])


def places_along(data, axis):
    """(x of each value, tick labels, logarithmic?) of an axis; amount 0 stands apart, left of the others."""
    count = data.sizes[axis]
    labels = labels_along(data, axis)
    stored = outcomes.raw_places(data, axis)
    if stored is None or axis not in stored.dims:
        return numpy.arange(count, dtype=float), labels, False
    along = stored.mean([d for d in stored.dims if d != axis]).values
    if axis == "size":
        labels = [f"{label}\n{short(value)}" for label, value in zip(labels, along)]
    elif axis == "tokens":
        labels = ["none" if value == 0 else short(value) if label.replace(".", "").replace("k", "").replace("M", "").isdigit()
                  or label[-1] != "x" else f"{label}" for label, value in zip(labels, along)]
    above = along[along > 0]
    if len(above) == 0 or len(numpy.unique(above)) < len(above):
        return numpy.arange(count, dtype=float), labels, False
    least, most = numpy.log2(above.min()), numpy.log2(above.max())
    gap = max(1.0, (most - least) / max(len(above) - 1, 1)) if len(above) > 1 else 1.0
    return numpy.where(along > 0, numpy.log2(numpy.where(along > 0, along, 1)), least - gap), labels, True


def dress_axis(axes, data, axis):
    x, labels, _ = places_along(data, axis)
    axes.xaxis.set_major_locator(FixedLocator(x))
    axes.xaxis.set_minor_locator(NullLocator())
    if len(labels) > 6 or max(map(len, labels)) * len(labels) > 44:
        axes.set_xticks(x, labels, rotation=40, ha="right", rotation_mode="anchor")
    else:
        axes.set_xticks(x, labels)
    axes.set_xlabel(axis_word(axis))
    margin = 0.08 * max(x.max() - x.min(), 1)
    axes.set_xlim(x.min() - margin, x.max() + margin)


BOUNDS = [(r"forgetting(_equal_success)?|.*_control_forgetting", -0.25, 1.25),
          (r".*rsa.*", -1.03, 1.03), (r".*(accuracy|cka|probe_of_A|class_overlap|failed_run|censored).*", -0.02, 1.03)]
IS_ACCURACY = re.compile(r".*(accuracy|probe_of_A).*")


def bounds_of(name):
    """What a quantity cannot leave, or hardly does, as (least, most) for cut_bars; nothing where it can be any number."""
    return next(((least, most) for pattern, least, most in BOUNDS if re.fullmatch(pattern, str(name))), ())


def mark_chance(panels, results, name):
    """Dotted lines where guessing is right, one for each number of classes in the sweep; what the caption says of them."""
    levels = sorted({task.chance for task in results.tasks.values()}) if IS_ACCURACY.fullmatch(str(name)) else []
    for panel in panels:
        for level in levels:
            panel.axhline(level, color="#777777", linewidth=0.9, linestyle=":", zorder=0)
    if not levels:
        return ""
    return f" Dotted: chance, 1 / classes ({', '.join(f'{level:.3g}' for level in levels)})."


def cut_bars(panels, least=None, most=None):
    """Limits of a shared y, so that bars over two or three seeds do not squeeze everything else; the means are always inside.

    least, most: the limits wanted, by default one and a half times the span of the means beyond them.  True where a bar was
    cut.
    """
    drawn = [line.get_ydata() for one in panels for line in one.lines if line.get_marker() not in ("None", "_", "|", "")]
    means = numpy.concatenate([numpy.asarray(y, dtype=float) for y in drawn] or [numpy.zeros(0)])
    means = means[numpy.isfinite(means)]
    span = max(means.max() - means.min(), 0.1 * abs(means).max()) if len(means) else 0
    if span == 0:  # nothing, or zero throughout: no span to go by
        if least is not None and len(means):
            panels[0].set_ylim(least - 0.04, most + 0.04)
        return False
    least, most = (means.min() - 1.5 * span if least is None else least), (means.max() + 1.5 * span if most is None else most)
    now = panels[0].get_ylim()
    low, high = min(least, means.min() - 0.05 * span), max(most, means.max() + 0.05 * span)
    panels[0].set_ylim(max(now[0], low), min(now[1], high))
    return now[0] < low or now[1] > high


def is_zero(data, axis):
    """Which values of an axis are amount 0 [value]."""
    stored = outcomes.raw_places(data, axis)
    if axis != "tokens" or stored is None or axis not in stored.dims:
        return numpy.zeros(data.sizes[axis], dtype=bool)
    return stored.max([d for d in stored.dims if d != axis]).values == 0


def chosen_levels(count):
    """At most MOST_LINES places out of `count`, the first and the last among them."""
    return list(range(count)) if count <= MOST_LINES else sorted({round(i * (count - 1) / (MOST_LINES - 1))
                                                                 for i in range(MOST_LINES)})


def look_of(place, count):
    """Colour, marker and dashes of line `place` of `count`: shades in order where there are several, dark to light."""
    shade = matplotlib.colormaps["viridis"](0.8 * place / max(count - 1, 1))
    return {"color": shade, "marker": MARKERS[place % len(MARKERS)], "linestyle": DASHES[place % len(DASHES)]}


# ---- one panel ----

def draw_line(axes, x, mean, low, high, apart, look, label, whole=None, shift=0.0):
    """One line with bars; `apart` [x] marks points that no line may reach; hollow where not `whole` [x]."""
    x = numpy.asarray(x, dtype=float) + shift
    there = numpy.isfinite(mean)
    if not there.any():  # named in the legend all the same: another row of panels may show it
        axes.errorbar([], [], [], label=label, elinewidth=0.9, **look)
    for part in (there & ~apart, there & apart):
        if not part.any():
            continue
        bars = numpy.vstack([numpy.where(numpy.isfinite(low), mean - low, 0), numpy.where(numpy.isfinite(high), high - mean, 0)])
        axes.errorbar(x[part], mean[part], numpy.clip(bars[:, part], 0, None), label=label, elinewidth=0.9, **look)
        label = "_nolegend_"
    if whole is not None:
        hollow = there & ~whole
        axes.plot(x[hollow], mean[hollow], linestyle="", marker=look["marker"], color=look["color"], markerfacecolor="white",
                  zorder=5)


def draw_panel(axes, data, array, axis, lines, legend=True, level=0.95):
    """Mean of an array along an axis, one line for each value of the dimension `lines` (None: one line), with intervals.

    Returns how many seeds are behind a point at most, and how many lines were left out.
    """
    answer = palimpsest_results.over_seeds(array, [axis] + ([lines] if lines else []), level)
    x, _, _ = places_along(data, axis)
    apart, seeds = is_zero(data, axis), int(answer["seeds"].max())
    levels = chosen_levels(data.sizes[lines]) if lines else [None]
    names = labels_along(data, lines) if lines else [None]
    step = 0.012 * (x.max() - x.min())
    for place, at in enumerate(levels):
        one = answer if at is None else answer.isel({lines: at})
        look = look_of(place, len(levels))
        draw_line(axes, x, one["mean"].values, one["low"].values, one["high"].values, apart, look,
                  None if at is None else names[at], one["seeds"].values >= max(2, seeds),
                  shift=step * (place - (len(levels) - 1) / 2))
    dress_axis(axes, data, axis)
    if not numpy.isfinite(answer["mean"].values).any():
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", va="center", color="#666666")
    if lines and legend:
        legend_above(axes, lines)
    return seeds, (data.sizes[lines] - len(levels)) if lines else 0


def legend_above(axes, lines):
    """The legend over the panel, where it hides nothing."""
    labels = axes.get_legend_handles_labels()[1]
    across = 2 if max(map(len, labels)) > 14 else 3
    axes.legend(title=line_word(lines), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=min(len(labels), across), handlelength=2.6,
                columnspacing=1.2, borderaxespad=0.2)


def legend_beside(axes, lines):
    """The legend right of the panel, the last of its row, where it hides nothing."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(title=line_word(lines), loc="upper left", bbox_to_anchor=(1.0, 1.0), handlelength=2.8, borderaxespad=0.2)


def lines_for(axis, axes):
    """The other axis whose values become the lines of a panel."""
    prefer = {"size": ["tokens", "variety"], "tokens": ["size", "variety"]}.get(axis, ["size", "tokens", "variety"])
    return next((other for other in prefer if other in axes and other != axis), None)


def row_of_panels(count, rows=1, width=3.35, height=2.9, **more):
    figure, axes = pyplot.subplots(rows, count, figsize=(max(width * count, 4.2), height * rows), squeeze=False,
                                   layout="constrained", **more)
    return figure, axes


def blank_unused(axes, used):
    for one in list(axes.ravel())[used:]:
        one.set_axis_off()

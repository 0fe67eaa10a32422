"""Figures of the instruments: each appears when its variables are in the file.  Variables are found by what their names say
and by their dimensions, so that an instrument that is added later is drawn as well."""
import re
from dataclasses import replace

import numpy
import xarray
from matplotlib.ticker import MaxNLocator

import palimpsest_results
from . import outcomes
from .figures import (COLOURS, DASHES, MAP, MARKERS, Picture, blank_unused, bounds_of, chosen_levels, cut_bars, draw_line, labels_along,
                      legend_beside, look_of, mark_chance, row_of_panels, unit_word, words_of)
from .figures_answer import by_axes

STAGES = ["initial", "pretrained", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth"]
STAGE_WORDS = {"initial": "initial", "pretrained": "pretraining", **dict(zip(STAGES[2:], "ABCDEFGH"))}
AXES = {"pair", "task", "seed", "domain", "layer", "point"}


def stage_of(name):
    """("first", "curve_loss") of first_curve_loss; (None, name) where it does not begin with a stage."""
    head, _, rest = name.partition("_")
    return (head, rest) if head in STAGES and rest else (None, name)


def sweep_axes(results):
    """Dimensions of the outcomes: what the sweep varies."""
    return set(results.data["forgetting"].dims) if "forgetting" in results.data else {"size", "tokens", "variety", "pair", "seed"}


def own_dimensions(results, name):
    """Dimensions of a variable beside the axes of the sweep and the task just learnt."""
    return [str(d) for d in results.data[name].dims if d not in sweep_axes(results) | {"task"}]


def trained(results, array):
    return outcomes.pretrained_only(results, array)


def has_values(array):
    return bool(array.notnull().any())


# ---- curves ----

def curve_panel(axes, results, array, along, lines, x=None):
    """Mean over everything but `along` and `lines`, with intervals over seeds as a band."""
    data = results.data
    answer = palimpsest_results.over_seeds(array, [along] + ([lines] if lines else []))
    named = along in data.coords and not numpy.issubdtype(data[along].dtype, numpy.number)
    if x is None:
        numeric = along in data.coords and not named
        x = data[along].values.astype(float) if numeric else numpy.arange(1.0, data.sizes[along] + 1)
    levels = chosen_levels(data.sizes[lines]) if lines else [None]
    names = labels_along(data, lines) if lines else [None]
    for place, at in enumerate(levels):
        one = answer if at is None else answer.isel({lines: at})
        there, look = numpy.isfinite(one["mean"].values), look_of(place, len(levels))
        if named:  # names have no order that a line could follow
            draw_line(axes, x, *(one[k].values for k in ("mean", "low", "high")), numpy.zeros(len(x), dtype=bool),
                      {**look, "linestyle": ""}, None if at is None else names[at], shift=0.06 * (place - (len(levels) - 1) / 2))
            continue
        if not there.any():
            continue
        axes.plot(x[there], one["mean"].values[there], markevery=max(1, int(there.sum()) // 6),
                  label=None if at is None else names[at], **look)
        axes.fill_between(x[there], one["low"].values[there], one["high"].values[there], color=look["color"], alpha=0.15, linewidth=0)
    if named and not axes.get_xlabel():
        axes.set_xticks(x, [str(label).replace("_", " ") for label in data[along].values], rotation=30, ha="right", fontsize=7)
    elif (numpy.diff(x) > 0).all() and x[0] > 0 and x[-1] / x[0] > 20:
        axes.set_xscale("log")
    return int(answer["seeds"].max())


def curves(results):
    """Learning curves of every stage: training loss against steps, one line for each size (or amount)."""
    names = [name for name in results.names_like(r".*curve_loss") if has_values(results.data[name])]
    if not names:
        return []
    axes = sweep_axes(results)
    lines = next((axis for axis in ("size", "tokens") if axis in axes and results.data.sizes[axis] > 1), None)
    figure, panels = row_of_panels(len(names), 1, height=2.9)
    seeds = 0
    for panel, name in zip(panels[0], names):
        array = trained(results, results.data[name])
        if "pretrained" in name and "tokens" in array.dims:
            array = array.isel(tokens=-1)
        own = lines if lines in array.dims else None  # the longest amount has no lines for amounts
        seeds = max(seeds, curve_panel(panel, results, array, own_dimensions(results, name)[-1], own))
        panel.set_title({"pretrained": "pretraining (longest amount)", "first": "fine-tuning on A", "second": "fine-tuning on B"}
                        .get(stage_of(name)[0], name.replace("_", " ")))
        panel.set_xlabel("optimiser steps")
    panels[0, 0].set_ylabel("training loss (nats)")
    legend_beside(panels[0, -1], lines)
    return [Picture("curves", "Learning and recovery", "Learning curves",
                    f"Training loss, mean over the steps since the point before; untrained models left out. n = {seeds} seeds; bands: 95 % "
                    "t intervals over seeds.", figure)]


def recovery(results):
    """Curves of recovery and relearning: what is measured at looks along a training of its own."""
    names = [name for name in results.names_like(r".*(recovery|relearn).*(lm_loss|accuracy).*")
             if along_of(results, name) not in (None, "domain", "layer")]
    return rows_of_curves(results, names, "recovery", "Learning and recovery", "Recovery of language modelling, relearning of A",
                          "From the state after fine-tuning on, beside the first learning of A.")


def others_along(results):
    """What other instruments measured along a dimension of their own (noise, blocks of items, layers put back, ...)."""
    taken = re.compile(r".*(curve_loss|recovery|relearn|frontier|lm_floor|status|looks|block_items).*")
    names = [name for name in map(str, results.data.data_vars) if not taken.fullmatch(name)
             and along_of(results, name) not in (None, "domain", "layer", "point", "task", "probed")]
    return rows_of_curves(results, names[:MOST_PANELS], "along", "Other instruments", "Measured along a dimension of their own",
                          not_drawn(names[MOST_PANELS:]))


def not_drawn(names):
    """What a caption says of variables that are left out, so that a page of a large sweep stays one."""
    return f"Not drawn (palimpsest summary --metric NAME shows them): {', '.join(names)}." if names else ""


def along_of(results, name):
    """The one own dimension of a variable with values; None where there is none or several."""
    own = own_dimensions(results, name)
    return own[0] if len(own) == 1 and has_values(results.data[name]) else None


def rows_of_curves(results, names, picture, section, title, lead):
    if not names:
        return []
    across = min(len(names), 3)
    figure, panels = row_of_panels(across, -(-len(names) // across), width=3.5, height=2.8)
    seeds, chance = 0, ""
    for panel, name in zip(panels.ravel(), names):
        along, data = along_of(results, name), results.data
        lines = "size" if data.sizes.get("size", 0) > 1 and "size" in data[name].dims else None
        seeds = max(seeds, curve_panel(panel, results, trained(results, data[name]), along, lines, looks_of(results, name, along)))
        panel.set_title(words_of(name), fontsize=8.5)
        panel.set_xlabel("optimiser steps" if looks_of(results, name, along) is not None else step_word(data, along))
        panel.set_ylabel(words_of(re.search(r"(lm_)?[^_]+$", name).group()) + unit_word(data, name), fontsize=8)
        cut_bars([panel], *bounds_of(name))
        chance = mark_chance([panel], results, name) or chance
        if panel is panels[0, -1]:
            legend_beside(panel, lines)
    blank_unused(panels, len(names))
    return [Picture(picture, section, title, f"{lead} Untrained models left out. n = {seeds} seeds; bands: 95 % t intervals over "
                    f"seeds, cut where they leave the panel.{chance}".strip(), figure)]


def looks_of(results, name, along):
    """Steps at which a variable was looked at [along], from the variable of looks beside it; None without one."""
    for instrument in ("recovery", "frontier"):
        looks = f"{name.split(instrument)[0]}{instrument}_looks"
        if instrument in name and looks in results.data and along in results.data[looks].dims:
            array = results.data[looks]
            return array.mean([d for d in array.dims if d != along]).values
    return None


def step_word(data, along):
    units = data[along].attrs.get("units", "") if along in data.coords else ""
    return along.replace("_", " ") + (f" ({units})" if units not in ("", "1") else "")


def meaning(data, name):
    """A short label of a variable: the last words of its name and its units."""
    return f"{words_of(stage_of(name)[1])}{unit_word(data, name)}"


# ---- frontier ----

def frontier(results):
    """A's score against B's along B's training, one line for each size."""
    names = outcomes.frontier_names(results.data) if results.has("forgetting") else None
    if names is None or not has_values(results.data[names[1]]):
        return []
    data, point = results.data, names[2]
    columns = chosen_levels(data.sizes["tokens"])[-3:] if "tokens" in data[names[0]].dims else [None]
    figure, panels = row_of_panels(len(columns), 1, width=3.6, height=3.2, sharex=True, sharey=True)
    lines = "size" if data.sizes.get("size", 0) > 1 else None
    seeds = 0
    for panel, column in zip(panels[0], columns):
        cut = (lambda array: array) if column is None else (lambda array: array.isel(tokens=column))
        a, b = (palimpsest_results.over_seeds(cut(data[name]), [point] + ([lines] if lines else [])) for name in names[:2])
        seeds = max(seeds, int(a["seeds"].max()))
        for place in range(data.sizes[lines] if lines else 1):
            at = {lines: place} if lines else {}
            one, other, look = a.isel(at), b.isel(at), look_of(place, data.sizes[lines] if lines else 1)
            if not bool(one["mean"].notnull().any()):
                continue
            up, aside = ((v["high"] - v["mean"]).fillna(0) for v in (one, other))
            panel.errorbar(other["mean"], one["mean"], yerr=up, xerr=aside,
                           elinewidth=0.6, label=labels_along(data, lines)[place] if lines else None, **look)
        panel.set_xlabel("accuracy on B")
        panel.set_title("" if column is None else f"{labels_along(data, 'tokens')[column]} tokens")
    panels[0, 0].set_ylabel("accuracy on A")
    cut_bars(list(panels[0]), 0, 1)
    for panel in panels[0]:
        low, high = panel.get_xlim()
        panel.set_xlim(max(low, -0.02), min(high, 1.02))
    legend_beside(panels[0, -1], lines)
    return [Picture("frontier", "Learning and recovery", "The frontier: what of A is left when B has come so far",
                    "One point for each stop along B's training, left to right. A line above another keeps more of A at the same success on "
                    f"B. n = {seeds} seeds; bars: 95 % t intervals over seeds.", figure)]


# ---- matrix ----

MATRICES = [("forgetting", "share of A that is gone"), ("forgetting_drop", "drop of accuracy on A"),
            ("second_accuracy_second", "accuracy on B"), ("transfer", "accuracy on B after A, minus B alone")]


def matrices(results):
    """Task by task: rows the first task, columns the second."""
    found = []
    for name, title in MATRICES:
        if name in results.data and has_values(results.data[name]):
            try:
                matrix = palimpsest_results.transfer_matrix(results.data.assign({name: trained(results, results.data[name])}), name)
                found.append((name, title, asked_part(matrix)))
            except palimpsest_results.ResultsError:
                return []
    if not found:
        return []
    rows, columns = found[0][2]["mean"].shape
    width, height = max(2.6, 0.58 * columns + 1.7), max(2.5, 0.45 * rows + 1.3)
    across = max(1, min(len(found), int(11 / width)))
    figure, panels = row_of_panels(across, -(-len(found) // across), width=width, height=height)
    for panel, (name, title, matrix) in zip(panels.ravel(), found):
        draw_matrix(panel, matrix, signed=name == "transfer")
        panel.set_title(title)
    blank_unused(panels, len(found))
    return [Picture("matrix", "Tasks", "Task by task",
                    "Mean over all pretrained models of each ordered pair, with the half width of its 95 % t interval over n = "
                    f"{int(numpy.nanmax(found[0][2]['seeds']))} seeds. Rows: the task learnt first (A); columns: the second (B). Shades "
                    "span the values of each panel.", figure)]


def asked_part(matrix):
    """The matrix without tasks that are never first, or never second, in any pair of the sweep."""
    asked = numpy.isfinite(matrix["missing"].values)
    return matrix.isel(first=numpy.flatnonzero(asked.any(axis=1)), second=numpy.flatnonzero(asked.any(axis=0)))


def draw_matrix(panel, matrix, signed):
    mean, half = matrix["mean"].values, (matrix["high"] - matrix["mean"]).values
    reach = numpy.nanmax(numpy.abs(mean)) if numpy.isfinite(mean).any() else 1
    panel.grid(False)
    panel.set_facecolor("#eeeeee")
    least, most = (-reach, reach) if signed else (numpy.nanmin(mean), max(numpy.nanmax(mean), numpy.nanmin(mean) + 1e-6))
    panel.imshow(mean, cmap="PuOr" if signed else MAP, vmin=least, vmax=most, aspect="auto")
    for (row, column), value in numpy.ndenumerate(mean):
        if numpy.isfinite(value):
            light = abs(value) < 0.6 * reach if signed else (value - least) / (most - least) > 0.55
            bar = f"\n±{half[row, column]:.2f}" if numpy.isfinite(half[row, column]) else ""
            panel.text(column, row, f"{value:.2f}{bar}", ha="center", va="center", fontsize=7.5, color="black" if light else "white")
    rows, columns = ([str(task).replace("_", "\n", 1) for task in matrix[place].values] for place in ("first", "second"))
    panel.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    panel.set_yticks(range(len(rows)), rows)
    panel.set_xlabel("second task (B)")
    panel.set_ylabel("first task (A)")


# ---- layers ----

LAYERED = {  # picture: title, (pattern of names, words)
    "representations": ("What the layers know; likeness to the pretrained state (CKA, RSA)",
                        [(r".*probe.*accuracy.*", "probes: accuracy"), (r".*cka.*", "linear CKA"),
                         (r".*rsa.*", "RSA")]),
    "weights": ("Weights and gradients, layer by layer",
                [(r".*displacement", "distance from pretrained\nweights (relative)"), (r".*gradient_norm", "norm of the gradient")]),
    "mediators": ("Mediators, layer by layer", [(r"(?!.*(probe|cka|rsa|displacement|gradient_norm)).*", "")])}
MOST_ROWS, MOST_PANELS, MOST_SCALARS = 6, 36, 96


def layers(results):
    """Every quantity that has a value for each layer: rows quantities, columns sizes, lines stages."""
    pictures = []
    for name, (title, patterns) in LAYERED.items():
        rows = []
        for pattern, word in patterns:
            found = [n for n in results.names_like(pattern) if "layer" in results.data[n].dims and has_values(results.data[n])]
            rows += split_by_kind(found, word)
        for part in range(0, len(rows), MOST_ROWS):
            pictures.append(layer_picture(results, f"{name}{part // MOST_ROWS + 1 if part else ''}", title, rows[part:part + MOST_ROWS]))
    return pictures + probes_of_first(results)


def probes_of_first(results):
    """Whether the first task of each pair can still be read off the layers once the second is learnt."""
    data, made, rows = results.data, {}, []
    for kind, word in KINDS.items():
        for stage in STAGES[1:4]:
            array = of_first_probed(data, f"{stage}_probe_accuracy_{kind}")
            if array is not None and has_values(array):
                made[f"{stage}_probe_of_A_{kind}"] = array
        own = [name for name in made if name.endswith(kind)]
        rows += [(f"probe for A: accuracy\n{word}", own)] if own else []
    if not rows:
        return []
    return [layer_picture(replace(results, data=data.assign(made)), "probes_of_first",
                          "Can A still be read off the layers once B is learnt?", rows)]


def of_first_probed(data, name):
    """Of the accuracies of probes for every task those for the first task of each pair [pair]; None without them."""
    if name not in data or "probed" not in data[name].dims or "pair_first" not in data.coords:
        return None
    known, first = ([str(task) for task in data[tasks].values] for tasks in ("probed", "pair_first"))
    array = outcomes.of_first_task(data, name, data["forgetting"].expand_dims(["layer", "probed"]))
    if array is None or not set(first) <= set(known):
        return None
    pairs = {"pair": xarray.DataArray(range(len(first)), dims="pair")} if "pair" in array.dims else {}
    return array.isel(probed=xarray.DataArray([known.index(task) for task in first], dims="pair"), **pairs)


def layer_picture(results, name, title, rows):
    data, sized = results.data, "size" in results.data.dims
    columns = chosen_levels(data.sizes["size"]) if sized else [None]
    columns = columns if len(columns) <= 4 else [columns[0], columns[len(columns) // 2], columns[-1]]
    figure, panels = row_of_panels(len(columns), len(rows), width=2.7, height=1.75, sharey="row")
    seeds, chance = 0, ""
    for row, (word, names) in enumerate(rows):
        for column, at in enumerate(columns):
            seeds = max(seeds, layer_panel(panels[row, column], results, names, at))
            if row == 0 and sized:
                panels[row, column].set_title(labels_along(data, "size")[at])
        panels[row, 0].set_ylabel(word, fontsize=8)
        cut_bars(list(panels[row]), *bounds_of(names[0]))
        chance = mark_chance(panels[row], results, names[0]) or chance
        stages = [stage_of(name)[0] for name in names]
        if any(stages) and (row == 0 or stages != [stage_of(name)[0] for name in rows[row - 1][1]]):
            legend_beside(panels[row, -1], "stage")
    compared = any(tells_other(names) and other_stage(name) for _, names in rows for name in names)
    beside = " B with A: of B, compared with A." if compared else ""
    return Picture(name, "Layers", title,
                   f"Mean over pretrained models, pairs, tasks and variety, from the embedding to the final norm. n = {seeds} seeds; bars: 95 % "
                   "t intervals over seeds, cut where they leave the panel. Measured after the stage named (gradients: during it)."
                   f"{beside}{chance}", figure)


KINDS = {"last": "last token", "mean": "mean over tokens"}


def split_by_kind(names, word):
    """Rows of one quantity, one for each way it was measured (probes on the last token, on the mean)."""
    kinds = {}
    for name in names:
        kinds.setdefault(re.sub(r"_(%s)$" % "|".join(STAGES[2:]), "", stage_of(name)[1]), []).append(name)
    if word and len(kinds) == 1:
        return [(word, names)]
    return [("\n".join(filter(None, [word.split("\n")[0], KINDS.get(kind.rsplit("_", 1)[-1]) if word else broken(kind)])), members)
            for kind, members in kinds.items()]


def broken(kind):
    """A long name over two lines."""
    words = kind.split("_")
    return " ".join(words[:2]) + ("\n" + " ".join(words[2:]) if words[2:] else "")


def other_stage(name):
    """The last stage of second_layer_gradient_cosine_start_first, which is compared with the first; None: there is none."""
    last = stage_of(name)[1].rsplit("_", 1)[-1]
    return last if last in STAGES[2:] else None


def tells_other(names):
    """Whether a line's stage alone would not tell it from the others."""
    return len({stage_of(name)[0] for name in names}) < len(names)


def layer_panel(axes, results, names, size):
    data, seeds = results.data, 0
    for place, name in enumerate(sorted(names, key=lambda n: STAGES.index(stage_of(n)[0]) if stage_of(n)[0] else 99)):
        array = trained(results, data[name])
        if size is not None and "size" in array.dims:
            array = array.isel(size=size)
        answer = palimpsest_results.over_seeds(array, ["layer"])
        there = numpy.isfinite(answer["mean"].values)
        seeds = max(seeds, int(answer["seeds"].max()))
        stage = stage_of(name)[0]
        place = STAGES.index(stage) if stage else place  # a stage looks the same in every panel, whatever stands beside it
        look = {"color": COLOURS[place % 7], "marker": MARKERS[place % 7], "linestyle": DASHES[place % 7]}
        words, other = STAGE_WORDS.get(stage, words_of(name)), other_stage(name) if tells_other(names) else None
        if other:  # colours say after which stage, markers and dashes with which it is compared
            kind = STAGES.index(other)
            words, look["marker"], look["linestyle"] = f"{words} with {STAGE_WORDS[other]}", MARKERS[kind % 7], DASHES[kind % 7]
        x = numpy.arange(there.sum(), dtype=float)
        draw_line(axes, x, *(answer[k].values[there] for k in ("mean", "low", "high")), numpy.zeros(len(x), dtype=bool), look, words)
        labels = [str(label).replace("embedding", "emb").replace("block_", "") for label in data["layer"].values[there]]
        axes.set_xticks(x, labels, fontsize=7)
    return seeds


def probed(results):
    """Probing accuracy of the pretrained state: task by layer, on the largest size."""
    names = [n for n in results.names_like(r"pretrained.*probe.*accuracy.*") if "layer" in results.data[n].dims]
    kinds = []
    for name in names:
        extra = [d for d in results.data[name].dims if d not in sweep_axes(results) | {"layer"}]
        if len(extra) == 1 and has_values(results.data[name]):
            kinds.append((name, extra[0]))
    if not kinds:
        return []
    figure, panels = row_of_panels(len(kinds), 1, width=4.2, height=3.2, sharey=True)
    for panel, (name, task) in zip(panels[0], kinds):
        array = trained(results, results.data[name])
        array = array.isel(size=-1) if "size" in array.dims else array
        mean = palimpsest_results.over_seeds(array, [task, "layer"])["mean"].transpose(task, "layer")
        keep = numpy.isfinite(mean.values).any(axis=0)
        panel.grid(False)
        panel.imshow(mean.values[:, keep], cmap=MAP, vmin=0, vmax=1, aspect="auto")
        for (row, column), value in numpy.ndenumerate(mean.values[:, keep]):
            panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7, color="black" if value > 0.55 else "white")
        panel.set_xticks(range(int(keep.sum())), [str(x) for x in results.data["layer"].values[keep]], rotation=30, ha="right")
        panel.set_yticks(range(mean.shape[0]), labels_along(results.data, task))
        panel.set_title(words_of(stage_of(name)[1]))
    seeds = results.data.sizes.get("seed", 1)
    return [Picture("probed_tasks", "Layers", "What the pretrained model knows, by task and layer",
                    f"Accuracy of a linear probe on frozen features, no intervals; the largest size, mean over pretrained models and n = "
                    f"{seeds} seeds.", figure)]


# ---- stability, scalars of instruments ----

def stability(results):
    """Share of failed runs, and spread over seeds of the score on B, along every axis."""
    data, section = results.data, "Stability"
    names = [name for name in results.names_like(r"(first|second)_failed_run") if has_values(data[name])]
    pictures = []
    for name in names:
        place = {"first": "A", "second": "B"}[stage_of(name)[0]]
        picture = by_axes(results, f"failed_runs_{place}", section, f"Runs that failed on {place}", lambda axis: data[name],
                          f"share of runs that did not\nlearn {place} (binomial test)",
                          f"n = {int(data[name].notnull().sum())} runs, {int((data[name] == 1).sum())} failed: their score on {place} is not "
                          "significantly above the majority class.")
        pictures += [picture] if picture else []
    return pictures + spread(results)


def spread(results):
    """Standard deviation over seeds of the score on B: one bar for each size and amount."""
    data = results.data
    if "second_accuracy_second" not in data or data["second_accuracy_second"].sizes.get("seed", 1) < 3:
        return []
    array = trained(results, data["second_accuracy_second"])
    counted = array.notnull().sum("seed")
    deviation = numpy.sqrt(((array - array.mean("seed"))**2).sum("seed") / (counted - 1).where(counted > 2))
    axes = [axis for axis in ("size", "tokens", "variety") if axis in deviation.dims and data.sizes[axis] > 1]
    if not axes or not has_values(deviation):
        return []
    figure, panels = row_of_panels(len(axes), 1, height=2.5, sharey=True)
    for panel, axis in zip(panels[0], axes):
        values = [deviation.isel({axis: i}).values.ravel() for i in range(data.sizes[axis])]
        values = [v[numpy.isfinite(v)] for v in values]
        labels = labels_along(data, axis)
        kept = [i for i, v in enumerate(values) if len(v)]
        panel.boxplot([values[i] for i in kept], labels=[labels[i] for i in kept], medianprops={"color": COLOURS[1]},
                      flierprops={"markersize": 3})
        panel.set_xlabel({"size": "model", "tokens": "pretraining tokens", "variety": "domains read"}[axis])
        panel.yaxis.set_major_locator(MaxNLocator(5))
    panels[0, 0].set_ylabel("standard deviation over\nseeds of accuracy on B")
    return [Picture("spread", "Stability", "How much seeds differ",
                    f"Each value is one grid point's standard deviation over n = {array.sizes['seed']} seeds; boxes: quartiles and median "
                    "over grid points, whiskers to 1.5 times the box. Untrained models left out.", figure)]


SECTION_OF = [(r".*(saving|recovery|relearn|frontier).*", "Learning and recovery"),
              (r"transfer|alone_.*|joint_.*|intransigence", "Tasks")]
DRAWN = re.compile(r"(%s)_(accuracy|loss|log_odds|lm_rise|lm_progress_lost|lm_loss|failed_run)(_\w+)?|forgetting.*|backward_transfer"
                   r"|status.*|.*_looks|lm_floor|domain_.*|.*_loss(_\w+)?" % "|".join(STAGES))


def scalars(results):
    """Numbers of instruments that have one value for each cell: a row of panels for each, whatever instrument they are of."""
    pictures = []
    for name in map(str, results.data.data_vars):
        array = results.data[name]
        if DRAWN.fullmatch(name) or own_dimensions(results, name) or not has_values(array) or "seed" not in array.dims:
            continue
        section = next((word for pattern, word in SECTION_OF if re.fullmatch(pattern, name)), "Other instruments")
        picture = by_axes(results, name, section, sentence_case(words_of(name)), lambda axis: array, meaning(results.data, name),
                          f"{sentence(array.attrs.get('long_name', ''))}n = {int(array.notnull().sum())} values.")
        pictures += [picture] if picture else []
    if len(pictures) > MOST_SCALARS:
        kept = pictures[:MOST_SCALARS]
        kept[-1].caption += " " + not_drawn([picture.name for picture in pictures[MOST_SCALARS:]])
        return kept
    return pictures


def sentence_case(words):
    return words[:1].upper() + words[1:]


def sentence(words):
    return f"{sentence_case(words)}. " if words else ""


def of_instruments(results):
    return [*curves(results), *recovery(results), *frontier(results), *matrices(results), *scalars(results), *layers(results),
            *probed(results), *stability(results), *others_along(results)]


# ---- the run ----

def cost(results):
    """What the run did and what sharing saved."""
    if not results.certificates:
        return []
    ends = [c for c in results.certificates if c.get("flops_tree", 0) > 0]
    figure, panels = row_of_panels(2, 1, width=4.0, height=2.4)
    if ends:
        words = {"flops_per_cell_alone": "every cell on its own", "flops_one_pretraining_each": "one pretraining each",
                 "flops_tree": "shared tree (this run)"}
        values = [ends[-1][name] / 1e12 for name in words]
        bars = panels[0, 0].barh(list(words.values()), values, color=[COLOURS[6], COLOURS[4], COLOURS[0]])
        panels[0, 0].bar_label(bars, [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values], padding=2, fontsize=8)
        panels[0, 0].set_xlim(0, 1.2 * max(values))
    panels[0, 0].set_xlabel("work of the whole sweep (TFLOP)")
    panels[0, 0].invert_yaxis()
    kinds = sorted(results.stage_seconds.items(), key=lambda item: -item[1])
    unit, seconds = ("hours", 3600) if max(results.stage_seconds.values(), default=0) >= 7200 else ("seconds", 1)
    panels[0, 1].barh([name for name, _ in kinds], [value / seconds for _, value in kinds], color=COLOURS[2])
    panels[0, 1].invert_yaxis()
    panels[0, 1].set_xlabel(f"{unit} of all ranks, by kind of stage")
    return [Picture("cost", "The run", "Work and time",
                    f"From the certificate of the run (/provenance); {sum(results.statuses.values())} stages, "
                    f"{len(results.certificates)} start{'s' if len(results.certificates) > 1 else ''} of the program. No interval: counts and "
                    "clocks of one run.", figure)]

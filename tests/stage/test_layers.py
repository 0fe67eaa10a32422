"""Probes, similarities and class overlaps of trained states as a run notes them, against numpy on the hidden rows of the
plain model in double precision (layers_tool.c).  Probes are fitted here by Newton's method."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "support"))
from sentences import run_sentences, sentence  # noqa: E402

TOOL = sys.argv[1]
STRENGTHS = [1, 1e-1, 1e-2, 1e-3, 1e-4]
REST = """model: {{objective: {objective}, context: 32, sizes: {{a: {{layers: 2, width: 8, heads: 2}}}}}}
pretrain: {{batch: 8, warmup: 256, learning_rate: 1e-2}}
evaluate: {{tokens: 128, items: 150}}
finetune: {{batch: 16, steps: 40, learning_rate: 1e-2, pool: {pool}}}
probes: {{items: 120}}
similarity: {{stimuli: 50}}
measure: [probes, similarity]
axes: {{size: [a], tokens: [16Ki], seed: 1, pair: [[{pair}]]}}
"""
GRAMMAR = """name: t
world: {{kind: grammar, domains: 4, task_domains: 2}}
tasks: [tense, subject_number, topic]
"""
TEXT = """name: t
world:
  kind: text
  tokenizer: bytes
  corpora: {{fruit: [{folder}/fruit.txt], stone: [{folder}/stone.txt]}}
  tasks:
    one: {{train: {folder}/train.tsv, test: {folder}/test.tsv}}
    two: {{train: {folder}/other.tsv, test: {folder}/other_test.tsv}}
tasks: [one, two]
"""
runs = {}


class Stage:
    def __init__(self, number, parent, place):
        self.number, self.parent, self.place = number, parent, place
        self.rows, self.labels = {}, {}  # by task and split, or "stimulus"
        self.fields = {}


def read_stages(text, layers=4, width=8):
    stages = {}
    for line in text.splitlines():
        name, _, *values = line.split(" ")
        values = np.array(values, dtype=float)
        if name == "stage":
            stage = stages[int(values[0])] = Stage(*(int(v) for v in values))
        elif name.startswith("item/") or name == "stimulus":
            key = "stimulus" if name == "stimulus" else tuple(int(part) for part in name.split("/")[1:3])
            stage.rows.setdefault(key, []).append(values.reshape(layers, 2, width))
            if key != "stimulus":
                stage.labels.setdefault(key, []).append(int(name.split("/")[3]))
        else:
            stage.fields[name] = values
    for stage in stages.values():
        stage.rows = {key: np.array(rows) for key, rows in stage.rows.items()}
        stage.labels = {key: np.array(labels) for key, labels in stage.labels.items()}
    return stages


def write_texts(folder):
    random = np.random.default_rng(1)

    def line(words):
        return " ".join(random.choice(words, 4))

    fruit, stone = ["apple", "pear", "plum", "fig", "kiwi"], ["chalk", "flint", "slate", "marl", "tuff"]
    seen = set()
    for name, words in (("fruit", fruit), ("stone", stone)):
        (folder / f"{name}.txt").write_text("\n".join(line(words) for _ in range(2000)) + "\n")
    for name, count in (("train", 300), ("test", 160), ("other", 280), ("other_test", 160)):
        lines = {}
        while len(lines) < count:
            i = len(lines)
            words = line(fruit if i % 2 else stone) if "other" not in name else line(fruit + stone)
            if words not in seen:
                lines[words] = i % 2 if "other" not in name else min(2, words.count("a") // 2)
                seen.add(words)
        (folder / f"{name}.tsv").write_text("".join(f"label{lines[words]}\t{words}\n" for words in lines))


def stages_of(world, objective, pool):
    key = (world, objective, pool)
    if key not in runs:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_texts(folder)
            pair = "tense, subject_number" if world == GRAMMAR else "one, two"
            sweep = (world + REST).format(folder=folder, objective=objective, pool=pool, pair=pair)
            (folder / "sweep.yaml").write_text(sweep)
            told = subprocess.run([TOOL, folder / "sweep.yaml"], capture_output=True, text=True)
        assert told.returncode == 0, (told.stdout[-2000:], told.stderr)
        runs[key] = read_stages(told.stdout)
        assert len(runs[key]) == 3, "pretrained, first and second state"
    return runs[key]


CASES = [(GRAMMAR, "causal", "last"), (GRAMMAR, "masked", "mean"), (TEXT, "causal", "mean")]

# ---- probes ----


def softmax(logits):
    power = np.exp(logits - logits.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def loss_of(x, one_hot, weights, strength):
    logits = x @ weights.T
    top = logits.max(axis=1)
    sums = np.exp(logits - top[:, None]).sum(axis=1)
    return (np.log(sums) + top - (logits * one_hot).sum(axis=1)).mean() + strength * (weights ** 2).sum() / 2


def fit(x, one_hot, strength, weights):
    """The minimum of mean cross-entropy + strength / 2 ||W||^2 by damped Newton steps from these weights."""
    classes, channels = weights.shape
    for _ in range(100):
        p = softmax(x @ weights.T)
        slope = (p - one_hot).T @ x / len(x) + strength * weights
        if abs(slope).max() < 1e-10:
            return weights
        second = strength * np.eye(weights.size).reshape(classes, channels, classes, channels)
        for k in range(classes):
            for m in range(classes):
                second[k, :, m] += (x * (p[:, k] * ((k == m) - p[:, m]))[:, None]).T @ x / len(x)
        step = np.linalg.solve(second.reshape(weights.size, -1), slope.reshape(-1)).reshape(weights.shape)
        length, before = 1.0, loss_of(x, one_hot, weights, strength)
        while loss_of(x, one_hot, weights - length * step, strength) > before + 1e-14:
            length /= 2
        weights = weights - length * step
    raise AssertionError(f"Newton's method ended at a slope of {abs(slope).max()}")


def probe(stage, task, layer, pool, labels=None):
    """Accuracy on the test items of the probe that is best on the development items."""
    rows = [stage.rows[task, split][:, layer, pool] for split in range(3)]
    label = [stage.labels[task, split] for split in range(3)]
    if labels is not None:
        label[0] = labels
    centre, spread = rows[0].mean(axis=0), rows[0].std(axis=0)
    kept = spread > 1e-6 * abs(centre)
    x = [np.hstack([(r[:, kept] - centre[kept]) / spread[kept], np.ones((len(r), 1))]) for r in rows]
    present = np.unique(label[0])
    best, weights = (-1, None), np.zeros((len(present), x[0].shape[1]))
    for strength in STRENGTHS:
        weights = fit(x[0], (label[0][:, None] == present).astype(float), strength, weights)
        right = (present[(x[1] @ weights.T).argmax(axis=1)] == label[1]).mean()
        if right > best[0]:
            best = (right, weights)
    return (present[(x[2] @ best[1].T).argmax(axis=1)] == label[2]).mean()


def noted(stage, task, layer, pool):
    tasks = max(key[0] for key in stage.rows if key != "stimulus") + 1
    name = ("probe_accuracy_last", "probe_accuracy_mean")[pool]
    return stage.fields[name].reshape(-1, tasks)[layer, task]


def probes_of(stage):
    return [(task, layer, pool) for task in sorted({key[0] for key in stage.rows if key != "stimulus"})
            for layer in range(4) for pool in range(2)]


@sentence
def probes_on_trained_states_are_those_of_newtons_method():
    compared, different = 0, set()
    for case in CASES:
        for stage in stages_of(*case).values():
            for place in probes_of(stage):
                accuracy = probe(stage, *place)
                assert abs(noted(stage, *place) - accuracy) < 1e-12, (case[1:], stage.number, place, accuracy,
                                                                     noted(stage, *place))
                compared += 1
                different.add(accuracy)
    print(f"{compared} probes, {len(different)} different accuracies from {min(different):.3f} to {max(different):.3f}")
    assert len(different) > 20


@sentence
def a_probe_on_another_layer_or_on_shuffled_labels_would_show():
    stage = stages_of(*CASES[0])[max(stages_of(*CASES[0]))]
    random = np.random.default_rng(2)
    wrong_layer = wrong_pool = shuffled = 0
    for task, layer, pool in probes_of(stage):
        right = noted(stage, task, layer, pool)
        wrong_layer += probe(stage, task, (layer + 1) % 4, pool) != right
        wrong_pool += probe(stage, task, layer, 1 - pool) != right
        shuffled += probe(stage, task, layer, pool, random.permutation(stage.labels[task, 0])) != right
    print(f"of 24: {wrong_layer} by the layer, {wrong_pool} by the pooling, {shuffled} by shuffled labels")
    assert min(wrong_layer, wrong_pool, shuffled) >= 12


# ---- similarity ----


def upper(x):
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return (x @ x.T)[np.triu_indices(len(x), 1)]


def cka(x, y):
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    return np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


@sentence
def similarities_of_trained_states_are_those_of_numpy():
    lowest, wrong_layer, places = 1, 0, 0
    for case in CASES:
        stages = stages_of(*case)
        pretrained = stages[min(stages)].rows["stimulus"]
        for stage in (s for s in stages.values() if s.place >= 0):
            for layer in range(4):
                for pool, word in enumerate(("last", "mean")):
                    x, y = stage.rows["stimulus"][:, layer, pool], pretrained[:, layer, pool]
                    rsa = np.corrcoef(upper(x), upper(y))[0, 1]
                    assert abs(stage.fields[f"rsa_{word}"][layer] - rsa) < 1e-4, (case[1:], stage.number, layer, word)
                    assert abs(stage.fields[f"cka_{word}"][layer] - cka(x, y)) < 1e-4
                    lowest = min(lowest, rsa, cka(x, y))
                    swapped = pretrained[:, (layer + 1) % 4, pool]
                    wrong_layer += abs(stage.fields[f"cka_{word}"][layer] - cka(x, swapped)) > 1e-2
                    places += 1
    print(f"down to {lowest:.3f}; another layer of the pretrained state would show in {wrong_layer} of {places}")
    assert lowest < 0.9 and wrong_layer > places / 2


# ---- class overlap ----


def class_span(stage, task, layer, pool):
    rows, label = stage.rows[task, 2][:, layer, pool], stage.labels[task, 2]
    means = np.array([rows[label == k].mean(axis=0) for k in np.unique(label)])
    _, sizes, basis = np.linalg.svd(means - means.mean(axis=0))
    return basis[: (sizes > 1e-5 * sizes[0]).sum()]


@sentence
def class_overlaps_of_trained_states_are_those_of_numpy():
    seen = []
    for world, objective, pool in CASES:
        stages = stages_of(world, objective, pool)
        last = stages[max(stages)]
        for name, stage in (("pretrained", stages[min(stages)]), ("before", stages[last.parent]), ("after", last)):
            for layer in range(4):
                a, b = (class_span(stage, task, layer, int(pool == "mean")) for task in (0, 1))
                overlap = np.linalg.norm(a @ b.T) ** 2 / min(len(a), len(b))
                assert abs(last.fields[f"class_overlap_{name}"][layer] - overlap) < 1e-3, (name, layer, overlap)
                seen.append(overlap)
    print(f"from {min(seen):.3f} to {max(seen):.3f}")
    assert max(seen) - min(seen) > 0.2


run_sentences()

#!/usr/bin/python3
"""Runs one cell of sweeps/text.yaml in PyTorch, from the sweep file and the data alone, to set beside palimpsest's numbers.

    PALIMPSEST_DATA=... tools/peer_text.py --size medium --tokens 256Ki --pair subj,probe_subj_number --seed 1

Prints one JSON object: accuracies A_first, A_second, B_second, and the language-modelling loss per corpus (initial,
pretrained, first, second).  Same recipe, own random numbers: agreement is to be expected within the spread over seeds.
(Debian: python3-torch python3-yaml.  Causal models, per-task heads, words as tokens.)
"""
import argparse
import collections
import glob
import json
import math
import os
import re
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
import yaml

# Defaults of the sweep file (sweeps/README.md).
MODEL = {"objective": "causal", "context": 64, "layers": 2, "width": 64, "heads": 4, "feed_forward": 4,
         "initial_deviation": 0.02}
PRETRAIN = {"batch": 32, "learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "weight_decay": 0.1,
            "clip": 1.0, "warmup": "8Ki", "cooldown": 0.2}
FINETUNE = {"batch": 32, "steps": 150, "warmup": 0.1, "learning_rate": 5e-4, "beta1": 0.9, "beta2": 0.999,
            "epsilon": 1e-8, "weight_decay": 0.01, "clip": 1.0, "head": "per_task", "pool": "last"}
EVALUATE = {"items": 500, "tokens": 4096}
SUFFIXES = {"k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def amount(text):
    number, suffix = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * SUFFIXES.get(suffix, 1)


def numbers(settings):
    """YAML 1.1 reads 1e-3 as a string."""
    as_number = lambda value: float(value) if re.fullmatch(r"[0-9.]+e-?[0-9]+", str(value)) else value
    return {key: as_number(value) for key, value in settings.items()}


# ---- text ----

WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|[0-9]+|\S")  # letters with apostrophes between them, digits, or one sign


def words_of(text):
    return WORD.findall(text.lower())


def split_tail(text, held_out):
    """The tail of a file, from a line end on."""
    cut = text.find("\n", int(len(text) * (1 - held_out))) + 1
    return text[:cut], text[cut:]


def has_form(byte, continues):
    """Bytes of lower-case UTF-8; of ASCII only letters, digits and the apostrophe continue a word."""
    if byte in (0xC0, 0xC1) or byte > 0xF4 or chr(byte) in "\0 \t\n\v\f\r" or 65 <= byte <= 90:
        return False
    if byte >= 0x80:
        return continues or byte >= 0xC2
    return not continues or chr(byte) in "'0123456789abcdefghijklmnopqrstuvwxyz"


class Vocabulary:
    """The most frequent words; any other is spelled: first byte and later bytes have tokens of their own."""

    def __init__(self, texts, wanted):
        counts = collections.Counter(word for text in texts for word in words_of(text) if len(word.encode()) > 1)
        chosen = sorted(counts, key=lambda word: (-counts[word], word.encode()))[:wanted]
        forms = [(byte, continues) for continues in (False, True) for byte in range(256) if has_form(byte, continues)]
        self.form = {form: i for i, form in enumerate(forms)}
        self.separator, first_word = len(forms), len(forms) + 2  # the mask stands between
        self.token = {word: first_word + i for i, word in enumerate(chosen)}
        self.size = first_word + len(chosen)

    def encode(self, text):
        tokens = []
        for word in words_of(text):
            known = self.token.get(word)
            tokens += [known] if known else [self.form[byte, i > 0] for i, byte in enumerate(word.encode())]
        return tokens

    def encode_documents(self, text):
        tokens = []
        for document in re.split(r"\n\s*\n", text):
            if document.strip():
                tokens += [self.separator] + self.encode(document)
        return tokens


def read_corpora(world, data):
    held_out = world.get("held_out", 0.05)
    corpora = {}
    for name, patterns in world["corpora"].items():
        files = sorted(path for p in patterns for path in glob.glob(p.replace("${PALIMPSEST_DATA}", data)))
        pieces = [split_tail(open(path, encoding="utf-8").read(), held_out) for path in files]
        corpora[name] = ([piece[0] for piece in pieces], [piece[1] for piece in pieces])
    return corpora


def read_task(entry, data):
    splits = {}
    for split in ("train", "test"):
        with open(entry[split].replace("${PALIMPSEST_DATA}", data), encoding="utf-8") as file:
            splits[split] = [tuple(line.rstrip("\n").split("\t", 1)) for line in file if line.strip()]
    return splits


class Task:
    def __init__(self, splits, encode, separator, context, seed, items):
        labels = sorted({label for label, _ in splits["train"]})
        self.classes = len(labels)
        made = {split: [(([separator] + encode(text))[:context], labels.index(label)) for label, text in lines]
                for split, lines in splits.items()}
        self.train, self.test = self.without_development(made["train"], seed), made["test"]
        order = torch.randperm(len(self.test), generator=torch.Generator().manual_seed(1)).tolist()
        self.test = [self.test[i] for i in order[:items]]

    @staticmethod
    def without_development(items, seed):
        """One in ten of each label is kept for development."""
        order = torch.randperm(len(items), generator=torch.Generator().manual_seed(seed)).tolist()
        quota = {c: round(n / 10) for c, n in collections.Counter(label for _, label in items).items()}
        kept = []
        for i in order:
            quota[items[i][1]] -= 1
            if quota[items[i][1]] < 0:
                kept.append(items[i])
        return kept


# ---- model ----

class Block(nn.Module):
    def __init__(self, width, heads, unit):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.c_fc, self.mlp_proj = nn.Linear(width, unit * width), nn.Linear(unit * width, width)

    def forward(self, x):
        batch, length, width = x.shape
        q, k, v = (part.view(batch, length, self.heads, -1).transpose(1, 2)
                   for part in self.c_attn(self.ln_1(x)).split(width, dim=2))
        scores = q @ k.transpose(2, 3) / math.sqrt(width // self.heads)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        mixed = scores.masked_fill(future, float("-inf")).softmax(dim=-1) @ v
        x = x + self.attn_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))


class Transformer(nn.Module):
    def __init__(self, shape, vocabulary):
        super().__init__()
        width, layers, self.deviation = shape["width"], shape["layers"], shape["initial_deviation"]
        self.wte, self.wpe = nn.Embedding(vocabulary, width), nn.Embedding(shape["context"], width)
        self.h = nn.ModuleList(Block(width, shape["heads"], shape["feed_forward"]) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.head = nn.ModuleDict()
        for name, value in self.named_parameters():
            if value.dim() == 2:
                nn.init.normal_(value, std=self.deviation / (math.sqrt(2 * layers) if "_proj" in name else 1))
            elif not ("ln_" in name and name.endswith("weight")):
                nn.init.zeros_(value)

    def add_head(self, task, classes):
        self.head[task] = nn.Linear(self.wte.embedding_dim, classes)
        nn.init.normal_(self.head[task].weight, std=self.deviation)
        nn.init.zeros_(self.head[task].bias)

    def forward(self, token):
        x = self.wte(token) + self.wpe.weight[: token.shape[1]]
        for block in self.h:
            x = block(x)
        return self.ln_f(x)

    def lm_loss(self, window):
        logits = self(window[:, :-1]) @ self.wte.weight.T
        return F.cross_entropy(logits.flatten(0, 1), window[:, 1:].flatten())

    def label_logits(self, items, task, pool):
        lengths = torch.tensor([len(tokens) for tokens, _ in items])
        token = nn.utils.rnn.pad_sequence([torch.tensor(tokens) for tokens, _ in items], batch_first=True)
        rows = self(token)  # padding stands at the end, which a causal model does not see
        if pool == "last":
            pooled = rows[torch.arange(len(items)), lengths - 1]
        else:
            there = torch.arange(token.shape[1]) < lengths[:, None]
            pooled = (rows * there[:, :, None]).sum(dim=1) / lengths[:, None]
        return self.head[task](pooled)


# ---- training ----

def optimizer_for(model, recipe, task=None):
    decaying, plain = [], []
    for name, value in model.named_parameters():
        if name.startswith("head.") and not (task and name.startswith(f"head.{task}.")):
            continue
        (decaying if value.dim() == 2 and name != "wpe.weight" else plain).append(value)
    groups = [{"params": decaying, "weight_decay": recipe["weight_decay"]}, {"params": plain, "weight_decay": 0}]
    return torch.optim.AdamW(groups, lr=0, betas=(recipe["beta1"], recipe["beta2"]), eps=recipe["epsilon"])


def step(optimizer, loss, rate, clip):
    values = [value for group in optimizer.param_groups for value in group["params"]]
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if clip > 0:
        nn.utils.clip_grad_norm_([value for value in values if value.grad is not None], clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def pretraining_steps(tokens, recipe, context):
    per_step = recipe["batch"] * context
    whole = max(1, round(tokens / per_step))
    cooldown = max(1, round(recipe["cooldown"] * whole))
    return whole, cooldown, max(1, round(amount(recipe["warmup"]) / per_step))


def pretrain(model, streams, tokens, recipe, context, generator):
    if tokens == 0:
        return
    whole, cooldown, warmup = pretraining_steps(tokens, recipe, context)
    orders = [torch.randperm((len(stream) - 1) // context, generator=generator).tolist() for stream in streams]
    optimizer, sample = optimizer_for(model, recipe), 0
    for s in range(whole):
        windows = []
        for _ in range(recipe["batch"]):  # each domain in turn, its own windows in shuffled order, none twice
            stream, order = streams[sample % len(streams)], orders[sample % len(streams)]
            start = order[sample // len(streams)] * context
            windows.append(stream[start : start + context + 1])
            sample += 1
        done = s - (whole - cooldown)
        rate = recipe["learning_rate"] * (1 - math.sqrt(done / cooldown) if done >= 0 else min(1, (s + 1) / warmup))
        step(optimizer, model.lm_loss(torch.stack(windows)), rate, recipe["clip"])


def finetune(model, name, task, recipe, generator):
    model.add_head(name, task.classes)
    optimizer, steps, queue = optimizer_for(model, recipe, name), recipe["steps"], []
    warmup = round(recipe["warmup"] * steps)
    for s in range(steps):
        while len(queue) < recipe["batch"]:
            queue += torch.randperm(len(task.train), generator=generator).tolist()
        items, queue = [task.train[i] for i in queue[: recipe["batch"]]], queue[recipe["batch"] :]
        rate = recipe["learning_rate"] * ((s + 1) / warmup if s < warmup else (steps - s) / (steps - warmup))
        loss = F.cross_entropy(model.label_logits(items, name, recipe["pool"]),
                               torch.tensor([label for _, label in items]))
        step(optimizer, loss, rate, recipe["clip"])


@torch.no_grad()
def accuracy(model, name, task, pool):
    right = 0
    for i in range(0, len(task.test), 100):
        items = task.test[i : i + 100]
        right += sum(c == label for c, (_, label) in
                     zip(model.label_logits(items, name, pool).argmax(dim=1).tolist(), items))
    return right / len(task.test)


@torch.no_grad()
def lm_losses(model, held, context, tokens):
    losses = {}
    for name, stream in held.items():
        windows = (len(stream) - 1) // context
        order = torch.randperm(windows, generator=torch.Generator().manual_seed(1)).tolist()[: max(1, tokens // context)]
        batch = torch.stack([stream[w * context : w * context + context + 1] for w in order])
        losses[name] = model.lm_loss(batch).item()
    return losses


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser.add_argument("--sweep", default=os.path.join(root, "sweeps/text.yaml"))
    parser.add_argument("--data", default=os.environ.get("PALIMPSEST_DATA"), help="default: PALIMPSEST_DATA")
    parser.add_argument("--size", required=True)
    parser.add_argument("--tokens", required=True, help="amount of pretraining, as in the sweep file")
    parser.add_argument("--pair", required=True, help="A,B")
    parser.add_argument("--domains", help="names of the corpora read, with commas; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    if not given.data:
        parser.error("--data or PALIMPSEST_DATA must name the data folder")
    return given


def recipes(sweep, size):
    of_size = sweep.get("model", {}).get("sizes", {})[size]
    model = {**MODEL, **sweep.get("model", {}), **{k: v for k, v in of_size.items() if "." not in k}}
    merge = lambda standard, section: numbers(
        {**standard, **sweep.get(section, {}),
         **{k.split(".", 1)[1]: v for k, v in of_size.items() if k.startswith(section + ".")}})
    pretraining, first = merge(PRETRAIN, "pretrain"), merge(FINETUNE, "finetune")
    second = {**first, **numbers(first.get("second") or {})}
    if model["objective"] != "causal" or first["head"] != "per_task":
        raise SystemExit("only causal models with a head per task are written down here")
    return model, pretraining, first, second, {**EVALUATE, **sweep.get("evaluate", {})}


def main():
    given, started = arguments(), time.time()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    generator = torch.Generator().manual_seed(given.seed)
    with open(given.sweep, encoding="utf-8") as file:
        sweep = yaml.safe_load(file)
    shape, pretraining, first, second, evaluate = recipes(sweep, given.size)
    context, world = shape["context"], sweep["world"]

    corpora = read_corpora(world, given.data)
    vocabulary = Vocabulary([t for training, _ in corpora.values() for t in training], world["tokenizer"]["words"])
    streams = {name: [[token for text in part for token in vocabulary.encode_documents(text)] for part in parts]
               for name, parts in corpora.items()}
    pair = given.pair.split(",")
    tasks = {name: Task(read_task(world["tasks"][name], given.data), vocabulary.encode, vocabulary.separator, context,
                        given.seed, evaluate["items"]) for name in pair}
    training, held = ({name: torch.tensor(parts[i]) for name, parts in streams.items()} for i in (0, 1))

    model = Transformer(shape, vocabulary.size)
    losses = {"initial": lm_losses(model, held, context, int(amount(evaluate["tokens"])))}
    read = given.domains.split(",") if given.domains else list(training)
    pretrain(model, [training[name] for name in read], amount(given.tokens), pretraining, context, generator)
    losses["pretrained"] = lm_losses(model, held, context, int(amount(evaluate["tokens"])))
    score = lambda name: accuracy(model, name, tasks[name], first["pool"])
    finetune(model, pair[0], tasks[pair[0]], first, generator)
    result = {"A_first": score(pair[0])}
    losses["first"] = lm_losses(model, held, context, int(amount(evaluate["tokens"])))
    finetune(model, pair[1], tasks[pair[1]], second, generator)
    result.update(A_second=score(pair[0]), B_second=score(pair[1]))
    losses["second"] = lm_losses(model, held, context, int(amount(evaluate["tokens"])))
    print(json.dumps({"size": given.size, "tokens": given.tokens, "pair": pair, "domains": read, "seed": given.seed,
                      **{key: round(value, 4) for key, value in result.items()},
                      "lm_loss_mean": {key: round(sum(v.values()) / len(v), 4) for key, v in losses.items()},
                      "lm_loss": losses, "vocabulary": vocabulary.size, "seconds": round(time.time() - started, 1)}))


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Writes tests/golden/reference.bin: what PyTorch says of a small transformer, for tests/train/test_reference.c.

    tools/make_fixture.py [OUTPUT]        (Debian: python3-torch)

The model is written down here a second time, from the papers, on PyTorch's own functions and in double precision:
pre-norm GPT-2 form (Radford et al. 2019), tanh GELU, learned positions, layer norm with epsilon 1e-5, LM head tied to
the token embedding, causal or bidirectional attention within each sequence of a packed batch.

The file: the eight bytes "PALREF1\\n", then entries until the end, all little-endian:
    name      64 bytes, padded with zeros
    type      uint32: 0 float32, 1 int32
    count     uint32
    values    count x 4 bytes, row-major
Names: values/TENSOR start weights; CASE/gradient/TENSOR; CASE/after/TENSOR weights after ten AdamW steps; CASE/loss;
CASE/losses of the ten steps; and the batches: start, token, target (-1: none), label.
"""
import struct
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

LAYERS, WIDTH, HEADS, CONTEXT, WORDS, UNIT = 2, 12, 2, 7, 29, 2
LENGTHS = [7, 5, 7, 3]  # of the sequences of a batch
STEPS, WARMUP, RATE, CLIP, DECAY = 10, 5, 1e-2, 0.5, 0.1
BETAS, EPSILON = (0.9, 0.98), 1e-5
HEAD_CLASSES = {"one": 3, "shared": 4}
LABEL_WORDS = [5, 17, 2]
LABEL_CASES = [  # name, causal, head, pool, classes
    ("label_one_last", True, "one", "last", 3),
    ("label_one_mean", False, "one", "mean", 3),
    ("label_shared_last", False, "shared", "last", 2),
    ("label_lm_last", True, "lm", "last", 3),
    ("label_lm_mean", False, "lm", "mean", 3),
]


def start_weights(blocks):
    def normal(*shape, scale=0.2):
        # rounded to single precision, so that both programs start from the same numbers
        return (torch.randn(*shape, dtype=torch.float64) * scale).float().double()

    w = {"wte.weight": normal(WORDS, WIDTH), "wpe.weight": normal(CONTEXT, WIDTH)}
    for block in range(blocks):
        shapes = {
            "ln_1.weight": (WIDTH,), "ln_1.bias": (WIDTH,),
            "attn.c_attn.weight": (3 * WIDTH, WIDTH), "attn.c_attn.bias": (3 * WIDTH,),
            "attn.c_proj.weight": (WIDTH, WIDTH), "attn.c_proj.bias": (WIDTH,),
            "ln_2.weight": (WIDTH,), "ln_2.bias": (WIDTH,),
            "mlp.c_fc.weight": (UNIT * WIDTH, WIDTH), "mlp.c_fc.bias": (UNIT * WIDTH,),
            "mlp.c_proj.weight": (WIDTH, UNIT * WIDTH), "mlp.c_proj.bias": (WIDTH,),
        }
        for name, shape in shapes.items():
            w[f"h.{block}.{name}"] = normal(*shape) + (1 if ".ln_" in f".{name}" and name.endswith("weight") else 0)
    w["ln_f.weight"], w["ln_f.bias"] = normal(WIDTH) + 1, normal(WIDTH)
    for task, classes in HEAD_CLASSES.items():
        w[f"heads.{task}.weight"], w[f"heads.{task}.bias"] = normal(classes, WIDTH), normal(classes)
    return {name: value.float().double().requires_grad_() for name, value in w.items()}


def decays(name):
    return name == "wte.weight" or (name.endswith(".weight") and ".ln_" not in name
                                    and name not in ("wpe.weight", "ln_f.weight"))


def attention(x, w, prefix, causal):
    length = x.shape[0]
    q, k, v = F.linear(x, w[prefix + "attn.c_attn.weight"], w[prefix + "attn.c_attn.bias"]).split(WIDTH, dim=1)
    q, k, v = (part.view(length, HEADS, -1).transpose(0, 1) for part in (q, k, v))
    scores = q @ k.transpose(1, 2) / (WIDTH // HEADS) ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), float("-inf"))
    mixed = (scores.softmax(dim=-1) @ v).transpose(0, 1).reshape(length, WIDTH)
    return F.linear(mixed, w[prefix + "attn.c_proj.weight"], w[prefix + "attn.c_proj.bias"])


def hidden(tokens, w, causal, share_layers=False):
    """The final norm's rows of one sequence."""
    x = w["wte.weight"][tokens] + w["wpe.weight"][: len(tokens)]
    for layer in range(LAYERS):
        p = f"h.{0 if share_layers else layer}."
        x = x + attention(F.layer_norm(x, (WIDTH,), w[p + "ln_1.weight"], w[p + "ln_1.bias"]), w, p, causal)
        y = F.layer_norm(x, (WIDTH,), w[p + "ln_2.weight"], w[p + "ln_2.bias"])
        y = F.gelu(F.linear(y, w[p + "mlp.c_fc.weight"], w[p + "mlp.c_fc.bias"]), approximate="tanh")
        x = x + F.linear(y, w[p + "mlp.c_proj.weight"], w[p + "mlp.c_proj.bias"])
    return F.layer_norm(x, (WIDTH,), w["ln_f.weight"], w["ln_f.bias"])


def sequences(tokens):
    return tokens.split(LENGTHS)


def lm_loss(batch, w, causal, share_layers=False):
    rows = torch.cat([hidden(sequence, w, causal, share_layers) for sequence in sequences(batch["token"])])
    return F.cross_entropy(rows @ w["wte.weight"].T, batch["target"], ignore_index=-1), rows


def label_logits(batch, w, causal, head, pool, classes):
    rows = [hidden(sequence, w, causal) for sequence in sequences(batch["token"])]
    pooled = torch.stack([row[-1] if pool == "last" else row.mean(dim=0) for row in rows])
    if head == "lm":
        return pooled @ w["wte.weight"][LABEL_WORDS[:classes]].T
    return F.linear(pooled, w[f"heads.{head}.weight"], w[f"heads.{head}.bias"])[:, :classes]


def lm_batch(causal):
    token = torch.randint(WORDS, (sum(LENGTHS),))
    target = torch.randint(WORDS, (sum(LENGTHS),))  # the next token of a sequence, except at its end
    at = 0
    for length in LENGTHS:
        target[at : at + length - 1] = token[at + 1 : at + length]
        at += length
    if not causal:
        chosen = torch.rand(sum(LENGTHS)) < 0.3
        chosen[at - 1] = True
        target = torch.where(chosen, token, torch.full_like(token, -1))
        token = torch.where(chosen, torch.full_like(token, WORDS - 1), token)
    return {"token": token, "target": target}


class Writer:
    def __init__(self, path):
        self.file = open(path, "wb")
        self.file.write(b"PALREF1\n")

    def put(self, name, values):
        values = torch.as_tensor(values).detach().reshape(-1)
        whole = not values.dtype.is_floating_point
        data = values.to(torch.int32 if whole else torch.float32).numpy()
        self.file.write(struct.pack("<64sII", name.encode(), int(whole), data.size))
        self.file.write(data.astype("<i4" if whole else "<f4").tobytes())

    def gradients(self, case, w):
        for name, value in w.items():
            if value.grad is not None:
                self.put(f"{case}/gradient/{name}", value.grad)


def clear(w):
    for value in w.values():
        value.grad = None


def language_case(writer, case, causal, share_layers=False):
    w = start_weights(1 if share_layers else LAYERS)
    for name, value in w.items():
        writer.put(f"{case}/values/{name}", value)
    groups = [{"params": [v for n, v in w.items() if decays(n)], "weight_decay": DECAY},
              {"params": [v for n, v in w.items() if not decays(n)], "weight_decay": 0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS, eps=EPSILON)
    losses = []
    for step in range(STEPS):
        batch = lm_batch(causal)
        writer.put(f"{case}/{step}/token", batch["token"])
        writer.put(f"{case}/{step}/target", batch["target"])
        clear(w)
        loss, rows = lm_loss(batch, w, causal, share_layers)
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            writer.put(f"{case}/hidden", rows)
            writer.gradients(case, w)
        torch.nn.utils.clip_grad_norm_([v for v in w.values() if v.grad is not None], CLIP)
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / WARMUP)
        optimizer.step()
    writer.put(f"{case}/losses", torch.tensor(losses, dtype=torch.float64))
    for name, value in w.items():
        writer.put(f"{case}/after/{name}", value)


def label_case(writer, w, case, causal, head, pool, classes):
    token, label = torch.randint(WORDS, (sum(LENGTHS),)), torch.randint(classes, (len(LENGTHS),))
    clear(w)
    logits = label_logits({"token": token}, w, causal, head, pool, classes)
    loss = F.cross_entropy(logits, label)
    loss.backward()
    writer.put(f"{case}/token", token)
    writer.put(f"{case}/label", label)
    writer.put(f"{case}/log_probability", logits.log_softmax(dim=1))
    writer.put(f"{case}/loss", loss)
    writer.gradients(case, w)


def main():
    root = Path(__file__).resolve().parent.parent
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else root / "tests/golden/reference.bin"
    torch.manual_seed(1)
    writer = Writer(path)
    language_case(writer, "causal", causal=True)
    language_case(writer, "masked", causal=False)
    language_case(writer, "share_layers", causal=True, share_layers=True)
    w = start_weights(LAYERS)
    for name, value in w.items():
        writer.put(f"label/values/{name}", value)
    for case in LABEL_CASES:
        label_case(writer, w, *case)
    writer.file.close()
    print(f"{path}: {path.stat().st_size} bytes, PyTorch {torch.__version__}")


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Sets `palimpsest bench train` beside PyTorch: the same shapes, the same arithmetic, one thread, on the same core, in turns.

    tools/bench_peer.py build/palimpsest                      the six shapes that bench train measures by itself
    tools/bench_peer.py build/palimpsest --shape 2,64,2,64,16,256 --shape ...     layers, width, heads, context, batch, words

In every round each side measures each shape for some seconds in a process of its own, and the side that goes first
changes.  Printed per shape: model GFLOP/s of both, and the ratio, as median and range over the rounds.  A step is
forward, backward, clipping and AdamW on a batch read from random tokens; FLOPs are counted as palimpsest counts them.

BLAS libraries choose their kernel by the processor; what OPENBLAS_CORETYPE, ATEN_CPU_CAPABILITY and the like may say
otherwise in the environment is taken out for both sides, and what each side then uses is printed.
(Debian: python3-torch; tools/install peer.)
"""
import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time

SHAPES = [(2, 32, 2, 64, 16, 256), (2, 64, 2, 64, 16, 256), (4, 64, 4, 64, 16, 256),
          (4, 128, 4, 128, 16, 256), (6, 256, 8, 128, 16, 256), (8, 512, 8, 256, 8, 256)]
NAMES = ("layers", "width", "heads", "context", "batch", "vocabulary")
STEERING = ("OPENBLAS_CORETYPE", "PALIMPSEST_CORES", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ONEDNN_MAX_CPU_ISA",
            "DNNL_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY")
LEAST_STEPS = 3
RECIPE = {"rate": 1e-3, "betas": (0.9, 0.95), "epsilon": 1e-8, "decay": 0.1, "clip": 1.0, "deviation": 0.02}


def step_flops(shape):
    layers, width, _, context, batch, words = shape
    return batch * context * (6 * (12 * layers * width**2 + words * width) + 12 * layers * context * width)


# ---- PyTorch, in a process of its own ----

def peer_model(torch, shape):
    """GPT-2's form: pre-norm blocks, tanh GELU, learned positions, the LM head tied to the token embedding.  PyTorch 2 has
    its own fused attention, which is used where it is there; else the products are written out."""
    nn, F = torch.nn, torch.nn.functional
    layers, width, heads, context, _, words = shape
    future = torch.ones(context, context, dtype=torch.bool).triu(1)

    def attention(q, k, v):
        if hasattr(F, "scaled_dot_product_attention"):
            return F.scaled_dot_product_attention(q, k, v, is_causal=True)
        scores = q @ k.transpose(2, 3) / math.sqrt(width // heads)
        return scores.masked_fill(future, float("-inf")).softmax(dim=-1) @ v

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.c_attn, self.attn_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.c_fc, self.mlp_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

        def forward(self, x):
            size = x.shape
            q, k, v = (part.view(size[0], size[1], heads, -1).transpose(1, 2)
                       for part in self.c_attn(self.ln_1(x)).split(width, dim=2))
            x = x + self.attn_proj(attention(q, k, v).transpose(1, 2).reshape(size))
            return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x)), approximate="tanh"))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(words, width), nn.Embedding(context, width)
            self.h = nn.ModuleList(Block() for _ in range(layers))
            self.ln_f = nn.LayerNorm(width)
            for name, value in self.named_parameters():
                if value.dim() == 2:
                    nn.init.normal_(value, std=RECIPE["deviation"] / (math.sqrt(2 * layers) if "_proj" in name else 1))

        def forward(self, token, target):
            x = self.wte(token) + self.wpe.weight
            for block in self.h:
                x = block(x)
            return F.cross_entropy((self.ln_f(x) @ self.wte.weight.T).flatten(0, 1), target.flatten())

    return Transformer()


def optimizer_of(torch, model):
    decaying = [v for n, v in model.named_parameters() if v.dim() == 2 and n != "wpe.weight"]
    plain = [v for n, v in model.named_parameters() if v.dim() != 2 or n == "wpe.weight"]
    groups = [{"params": decaying, "weight_decay": RECIPE["decay"]}, {"params": plain, "weight_decay": 0}]
    options = {"lr": RECIPE["rate"], "betas": RECIPE["betas"], "eps": RECIPE["epsilon"]}
    # The one for all tensors at once is the faster where there is one.
    try:
        return torch.optim.AdamW(groups, foreach=True, **options)
    except TypeError:
        return torch.optim.AdamW(groups, **options)


def peer_steps(torch, shape):
    """A function that takes one step."""
    _, _, _, context, batch, words = shape
    torch.manual_seed(1)
    model = peer_model(torch, shape)
    optimizer = optimizer_of(torch, model)
    parameters = list(model.parameters())
    pool = torch.randint(words, (1 << 16,))
    windows = pool.unfold(0, context + 1, 1)

    def step():
        window = windows[torch.randint(len(windows), (batch,))]
        optimizer.zero_grad(set_to_none=True)
        loss = model(window[:, :-1], window[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, RECIPE["clip"])
        optimizer.step()
        return loss

    return step


def measure_peer(shape, seconds):
    import torch

    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    step, taken = peer_steps(torch, shape), []
    if not math.isfinite(step().item()):
        raise SystemExit("bench_peer: PyTorch's loss is not finite")
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(taken) < LEAST_STEPS:
        before = time.perf_counter()
        step()
        taken.append(time.perf_counter() - before)
    return {"seconds": statistics.median(taken), "count": len(taken), "uses": peer_uses(torch)}


def peer_uses(torch):
    lines = [line.strip(" -") for line in torch.__config__.show().splitlines()]
    settings = next((line for line in lines if line.startswith("Build settings")), "")
    blas = [part.split("=")[1] for part in settings.split(", ") if part.startswith("BLAS_INFO=")]
    capability = [line.split()[-1] for line in lines if line.startswith("CPU capability")]
    onednn = "oneDNN" if torch.backends.mkldnn.is_available() else "no oneDNN"
    return f"PyTorch {torch.__version__}, BLAS {', '.join(blas + blas_libraries())}, {onednn}, {' '.join(capability)}"


def blas_libraries():
    """Of those that this process has loaded, the names; OpenBLAS tells its kernel too."""
    import ctypes

    found = []
    with open("/proc/self/maps", encoding="utf-8") as maps:
        paths = {line.split()[-1] for line in maps if "blas" in line.split()[-1].rsplit("/", 1)[-1]}
    for path in sorted(paths):
        name = os.path.basename(path)
        try:
            core = ctypes.CDLL(path).openblas_get_corename
            core.restype = ctypes.c_char_p
            name += " " + core().decode()
        except (AttributeError, OSError):
            pass
        found.append(name)
    return found


# ---- the two in turns ----

def run(command, environment, core):
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    if done.returncode != 0:
        raise SystemExit(f"bench_peer: {' '.join(command)} ended with {done.returncode}")
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise SystemExit(f"bench_peer: {' '.join(command)} does not print what a benchmark prints") from None


def run_ours(given, shape, environment):
    options = [word for name, value in zip(NAMES, shape) for word in (f"--{name}", str(value))]
    told = run([given.program, "bench", "train", *options, "--seconds", f"{given.seconds}s", "--json"], environment,
               given.core)
    entry = told["shapes"][0]
    return {"seconds": entry["step"]["seconds"], "count": entry["step"]["count"], "uses": told["numerics_class"],
            "limit": entry["limit_flops_per_second"]}


def run_theirs(given, shape, environment):
    return run([sys.executable, os.path.abspath(__file__), "--measure", ",".join(map(str, shape)), "--seconds",
                str(given.seconds)], environment, given.core)


def environment_of(given):
    """For both sides, and what was taken out of it."""
    environment = {**os.environ, **{name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}}
    out = [] if given.keep_environment else [name for name in STEERING if name in environment]
    return {name: value for name, value in environment.items() if name not in out}, out


def take_round(given, shape, environment, number):
    sides = [("ours", run_ours), ("theirs", run_theirs)]
    if number % 2:
        sides.reverse()
    return {name: side(given, shape, environment) for name, side in sides}


def spread(values):
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def summary_of(shape, rounds):
    flops = step_flops(shape)
    speed = {side: [flops / r[side]["seconds"] for r in rounds] for side in ("ours", "theirs")}
    ratios = [r["theirs"]["seconds"] / r["ours"]["seconds"] for r in rounds]
    return {**dict(zip(NAMES, shape)), "flops": flops, "ours_flops_per_second": spread(speed["ours"]),
            "theirs_flops_per_second": spread(speed["theirs"]), "ratio": spread(ratios),
            "limit_flops_per_second": max(r["ours"]["limit"] for r in rounds),
            "steps": {side: [r[side]["count"] for r in rounds] for side in ("ours", "theirs")}}


def print_summary(shape, result):
    ours, theirs, ratio = (result[key] for key in ("ours_flops_per_second", "theirs_flops_per_second", "ratio"))
    limit = result["limit_flops_per_second"]
    print(f"{' '.join(f'{n:4d}' for n in shape)}  ours {ours['median'] / 1e9:7.2f} GFLOP/s ({100 * ours['median'] / limit:4.1f} %"
          f" of the limit)  theirs {theirs['median'] / 1e9:7.2f} GFLOP/s  ratio {ratio['median']:.2f} "
          f"({ratio['least']:.2f} .. {ratio['most']:.2f})", flush=True)


def compare(given):
    environment, removed = environment_of(given)
    kept = [f"{name}={environment[name]}" for name in STEERING if name in environment]
    results, uses = [], None
    for shape in given.shape or SHAPES:
        rounds = [take_round(given, shape, environment, number) for number in range(given.rounds)]
        if uses is None:
            uses = {side: rounds[0][side]["uses"] for side in ("ours", "theirs")}
            if not given.json:
                print(f"ours    {uses['ours']}\ntheirs  {uses['theirs']}\ncore {given.core}, one thread, {given.rounds} rounds of "
                      f"{given.seconds:g} s a side; environment: {'without ' + ', '.join(removed) if removed else 'as it is'}"
                      f"{', with ' + ', '.join(kept) if kept else ''}\n{' '.join(f'{n:>4s}' for n in 'LdHTBV')}", flush=True)
        results.append(summary_of(shape, rounds))
        if not given.json:
            print_summary(shape, results[-1])
    if given.json:
        print(json.dumps({"ours": uses["ours"], "theirs": uses["theirs"], "core": given.core, "rounds": given.rounds,
                          "seconds": given.seconds, "removed_from_environment": removed, "kept_in_environment": kept,
                          "shapes": results}, indent=2))


def shape_of(text):
    try:
        shape = tuple(int(word) for word in text.split(","))
    except ValueError:
        shape = ()
    if len(shape) != len(NAMES) or min(shape) < 1 or shape[1] % shape[2]:
        raise argparse.ArgumentTypeError(f'"{text}" is not {",".join(NAMES)} with a width that the heads divide')
    return shape


def positive(kind):
    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < 1e6:
            raise argparse.ArgumentTypeError(f'"{text}" is not a number above 0')
        return value

    return read


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="?", help="the palimpsest to measure")
    parser.add_argument("--shape", type=shape_of, action="append", help="one shape; may be repeated")
    parser.add_argument("--rounds", type=positive(int), default=5, help="default 5")
    parser.add_argument("--seconds", type=positive(float), default=3, help="of each side, shape and round; default 3")
    parser.add_argument("--core", type=int, help="default: the last this process may run on")
    parser.add_argument("--keep-environment", action="store_true", help=f"leaves {', '.join(STEERING)} as they are")
    parser.add_argument("--json", action="store_true", help="prints JSON")
    parser.add_argument("--measure", type=shape_of, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        return given
    if not given.program or not os.access(given.program, os.X_OK):
        parser.error("name the palimpsest to measure: tools/bench_peer.py build/palimpsest")
    given.program, allowed = os.path.abspath(given.program), os.sched_getaffinity(0)
    if given.core is None:
        given.core = max(allowed)
    if given.core not in allowed:
        parser.error(f"--core {given.core}: this process may run on {', '.join(map(str, sorted(allowed)))}")
    return given


def main():
    given = arguments()
    if given.measure:
        print(json.dumps(measure_peer(given.measure, given.seconds)))
        return
    try:
        subprocess.run([sys.executable, "-c", "import torch"], check=True, stderr=subprocess.PIPE)
    except subprocess.CalledProcessError:
        raise SystemExit(f"bench_peer: {sys.executable} has no PyTorch (Debian: python3-torch; tools/install peer)") from None
    compare(given)


if __name__ == "__main__":
    main()

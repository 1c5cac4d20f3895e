#!/usr/bin/env python3
"""Accuracy on corrupted CIFAR-10 images: Scoville's corruptions beside the published ones, which are written out here with numpy,
scipy and Pillow as the paper's code computes them (rounded to 8 bits, as there).

    VENV/bin/python benches/corruptions.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 200] [--severities 1,3,5]
        [--only NAME,..]

Frost is left out: the paper's pictures of it are not here.
"""
import argparse, io, json, subprocess, tempfile
import numpy as np
from PIL import Image
from scipy.ndimage import correlate, gaussian_filter, map_coordinates, zoom as scizoom

rng = np.random.default_rng(0)
LEVELS = {
    "gaussian-noise": [.04, .06, .08, .09, .10], "shot-noise": [500, 250, 100, 75, 50], "impulse-noise": [.01, .02, .03, .05, .07],
    "speckle-noise": [.06, .1, .12, .16, .2], "gaussian-blur": [.4, .6, .7, .8, 1],
    "defocus-blur": [(.3, .4), (.4, .5), (.5, .6), (1, .2), (1.5, .1)],
    "brightness": [.05, .1, .15, .2, .3], "contrast": [.75, .5, .4, .3, .15],
    "saturate": [(.3, 0), (.1, 0), (1.5, 0), (2, .1), (2.5, .2)],
    "fog": [(.2, 3), (.5, 3), (.75, 2.5), (1, 2), (1.5, 1.75)],
    "glass-blur": [(.05, 1, 1), (.25, 1, 1), (.4, 1, 1), (.25, 1, 2), (.4, 1, 2)],
    "snow": [(.1, .2, 1, .6, 8, 3, .95), (.1, .2, 1, .5, 10, 4, .9), (.15, .3, 1.75, .55, 10, 4, .9), (.25, .3, 2.25, .6, 12, 6, .85),
             (.3, .3, 1.25, .65, 14, 12, .8)],
    "elastic": [(0, 0, .08), (.05, .2, .07), (.08, .06, .06), (.1, .04, .05), (.1, .03, .03)],
    "jpeg": [80, 65, 58, 50, 40], "pixelate": [.95, .9, .85, .75, .65],
}


def hsv(x):
    value, least = x.max(2), x.min(2)
    return value, np.where(value > 0, (value - least) / np.maximum(value, 1e-12), 0)


def impulse(x, share):
    draw = rng.random(x.shape)
    return np.where(draw < share / 2, 1, np.where(draw < share, 0, x))


def defocus(x, level):
    radius, alias = level
    side = np.arange(-8, 9)
    disc = ((side[:, None] ** 2 + side ** 2) <= radius ** 2).astype(float)
    line = np.exp(-np.array([-1., 0, 1]) ** 2 / (2 * alias ** 2))
    kernel = correlate(disc / disc.sum(), np.outer(line, line) / line.sum() ** 2, mode="constant")
    return np.stack([correlate(x[..., c], kernel, mode="mirror") for c in range(3)], 2)


def brightness(x, more):
    value, _ = hsv(x)
    factor = np.where(value > 0, np.minimum(value + more, 1) / np.maximum(value, 1e-12), 0)
    return x * factor[..., None]


def saturate(x, level):
    value, saturation = hsv(x)
    changed = np.clip(saturation * level[0] + level[1], 0, 1)
    ratio = np.where(saturation > 0, changed / np.maximum(saturation, 1e-12), 1)
    return value[..., None] - (value[..., None] - x) * ratio[..., None]


def plasma(size, decay):
    a = np.zeros((size, size))
    step, wibble = size, 100.0
    jitter = lambda m: m / 4 + wibble * rng.uniform(-wibble, wibble, m.shape)
    while step >= 2:
        half = step // 2
        corner = a[0:size:step, 0:size:step]
        square = corner + np.roll(corner, -1, 0)
        a[half:size:step, half:size:step] = jitter(square + np.roll(square, -1, 1))
        drgrid, ulgrid = a[half:size:step, half:size:step], a[0:size:step, 0:size:step]
        lt = drgrid + np.roll(drgrid, 1, 0) + ulgrid + np.roll(ulgrid, -1, 1)
        a[0:size:step, half:size:step] = jitter(lt)
        tt = drgrid + np.roll(drgrid, 1, 1) + ulgrid + np.roll(ulgrid, -1, 0)
        a[half:size:step, 0:size:step] = jitter(tt)
        step, wibble = half, wibble / decay
    return (a - a.min()) / (a.max() - a.min())


def fog(x, level):
    return (x + level[0] * plasma(32, level[1])[..., None]) * x.max() / (x.max() + level[0])


def glass(x, level):
    sigma, reach, rounds = level
    x = gaussian_filter(x, (sigma, sigma, 0), mode="nearest")
    for _ in range(rounds):
        for h in range(32 - reach, reach, -1):
            for w in range(32 - reach, reach, -1):
                dx, dy = rng.integers(-reach, reach, size=2)
                # numpy exchanges views, and so copies.
                x[h, w], x[h + dy, w + dx] = x[h + dy, w + dx], x[h, w]
    return gaussian_filter(x, (sigma, sigma, 0), mode="nearest")


def snow(x, level):
    mean, deviation, zoom, least, radius, sigma, kept = level
    layer = rng.normal(mean, deviation, x.shape[:2])
    side = int(np.ceil(32 / zoom))
    top = (32 - side) // 2
    layer = scizoom(layer[top : top + side, top : top + side], zoom, order=1)
    top = (layer.shape[0] - 32) // 2
    layer = layer[top : top + 32, top : top + 32].copy()
    layer[layer < least] = 0
    layer = np.clip(layer, 0, 1)
    angle = np.radians(rng.uniform(-135, -45))
    at = np.arange(2 * radius + 1)
    weights = np.exp(-at ** 2 / (2 * sigma ** 2))
    y, x0 = np.mgrid[:32, :32].astype(float)
    shifted = [w * map_coordinates(layer, (y + k * np.sin(angle), x0 + k * np.cos(angle)), order=1, mode="nearest") for k, w in zip(at, weights)]
    layer = (sum(shifted) / weights.sum())[..., None]
    grey = (x @ [.299, .587, .114])[..., None]
    return kept * x + (1 - kept) * np.maximum(x, grey * 1.5 + .5) + layer + np.rot90(layer, 2)


def elastic(x, level):
    alpha, sigma, affine = (32 * v for v in level)
    centre, third = np.array([16., 16]), 10
    before = np.array([centre + third, [26, 6], centre - third])
    after = before + rng.uniform(-affine, affine, before.shape)
    inverse = np.linalg.solve(np.c_[after, np.ones(3)], before)
    y, x0 = np.mgrid[:32, :32].astype(float)
    place = np.stack([y.ravel(), x0.ravel(), np.ones(1024)], 1) @ inverse
    warp = lambda image, at: np.stack([map_coordinates(image[..., c], at, order=1, mode="mirror") for c in range(3)], 1).reshape(32, 32, 3)
    x = warp(x, place.T)
    if alpha == 0:
        return x
    dy, dx = (alpha * gaussian_filter(rng.uniform(-1, 1, (32, 32)), sigma, mode="reflect", truncate=3) for _ in range(2))
    return warp(x, np.stack([(y + dy).ravel(), (x0 + dx).ravel()]))


def pil(x):
    return Image.fromarray((x * 255).round().astype(np.uint8))


def jpeg(x, quality):
    out = io.BytesIO()
    pil(x).save(out, "JPEG", quality=quality)
    return np.asarray(Image.open(out)) / 255


def pixelate(x, kept):
    small = pil(x).resize((int(32 * kept),) * 2, Image.BOX)
    return np.asarray(small.resize((32, 32), Image.BOX)) / 255


PEERS = {
    "gaussian-noise": lambda x, c: x + rng.normal(size=x.shape, scale=c),
    "shot-noise": lambda x, c: rng.poisson(x * c) / c,
    "impulse-noise": impulse,
    "speckle-noise": lambda x, c: x + x * rng.normal(size=x.shape, scale=c),
    "gaussian-blur": lambda x, c: gaussian_filter(x, (c, c, 0), mode="nearest"),
    "defocus-blur": defocus, "brightness": brightness,
    "contrast": lambda x, c: (x - x.mean((0, 1))) * c + x.mean((0, 1)),
    "saturate": saturate, "fog": fog, "glass-blur": glass, "snow": snow, "elastic": elastic, "jpeg": jpeg, "pixelate": pixelate,
}

p = argparse.ArgumentParser()
p.add_argument("scoville"), p.add_argument("model"), p.add_argument("data")
p.add_argument("--mean"), p.add_argument("--std"), p.add_argument("--n", type=int, default=200)
p.add_argument("--severities", default="1,3,5"), p.add_argument("--only", default="")
a = p.parse_args()
severities = [int(s) for s in a.severities.split(",")]
raw = np.fromfile(a.data, np.uint8).reshape(-1, 3073)[: a.n]
labels, images = raw[:, 0], raw[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1) / 255
common = [a.scoville, "MODE", a.model, "--mean", a.mean, "--std", a.std, "--device", "cpu"]


def lines(mode, *extra):
    run = subprocess.run([mode if c == "MODE" else c for c in common] + list(extra), capture_output=True, text=True)
    assert run.returncode in (0, 5), run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def theirs(family, severity):
    corrupt = PEERS[family]
    x = np.stack([np.clip(corrupt(x, LEVELS[family][severity - 1]), 0, 1) for x in images])
    x = (x * 255).round() / 255
    with tempfile.TemporaryDirectory() as folder:
        x.transpose(0, 3, 1, 2).astype("<f4").tofile(f"{folder}/x.f32")
        with open(f"{folder}/y.csv", "w") as out:
            out.write("".join(f"{y}\n" for y in labels))
        answers = lines("predict", "--data", f"f32:{folder}/x.f32,{folder}/y.csv")
    # Only what was right before is attacked.
    return sum(b["predicted"] == b["label"] and c["predicted"] == c["label"] for b, c in zip(answers, clean))


def ours(family, severity):
    events = lines("assess", "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--attacks", f"corrupt-{family}", "--eps-ladder", str(severity))
    point = next(e for e in events if e["event"] == "technique.scored")["curve"][0]
    return point["correct"] - point["successes"]


clean = lines("predict", "--data", f"cifar10:{a.data}", "--limit", str(a.n))
print(f"correct before: {sum(c['predicted'] == c['label'] for c in clean)} of {a.n}; correct after, Scoville / reference")
print("| corruption |" + "".join(f" severity {s} |" for s in severities))
for family in a.only.split(",") if a.only else PEERS:
    print(f"| {family} |" + "".join(f" {ours(family, s)} / {theirs(family, s)} |" for s in severities), flush=True)

"""Holds Scoville's attacks on texts against plain ones: the same rules, a text at a time, on onnxruntime and torch.

    python benches/text-attacks.py SCOVILLE TARGET.toml DATA.tsv[.gz] ATTACK SAMPLES

TARGET.toml is one that benches/train-sst2.py wrote (tokens between white space, a vocabulary; the mean of embeddings, one hidden
layer). ATTACK is hotflip, textfooler or deepwordbug, with its default parameters. hotflip and textfooler draw no random numbers, so
each text must take as many words in both; deepwordbug does, so only its rates can be alike. Needs numpy, onnx, onnxruntime, torch.
"""

import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import tomllib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

LADDER = (1, 2, 4, 8)


class Model:
    def __init__(self, toml):
        spec = tomllib.loads(toml.read_text())
        self.text = spec["text"]
        words = (toml.parent / self.text["vocabulary"]).read_text(encoding="utf-8").splitlines()
        self.ids = {word: at for at, word in enumerate(words)}
        special = (self.text["padding"], self.text["unknown"])
        self.words = [word for word in words if self.ids[word] not in special]
        path = toml.parent / spec["model"]["path"]
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0].name
        weights = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
        self.weights = {name: torch.tensor(value) for name, value in weights.items() if value.ndim}
        self.table = self.weights["embedding.weight"]
        self.rows = self.table[[self.ids[word] for word in self.words]]
        lengths = self.rows.norm(dim=1, keepdim=True)
        self.unit = self.rows / lengths

    def encode(self, words):
        ids = [self.ids.get(word.lower(), self.text["unknown"]) for word in words][: self.text["length"]]
        return ids + [self.text["padding"]] * (self.text["length"] - len(ids))

    def leads(self, texts, y):
        ids = np.array([self.encode(words) for words in texts], dtype=np.int64)
        logits = self.session.run(None, {self.input: ids})[0]
        return logits[:, y] - logits[:, 1 - y]

    def gradient(self, words, y):
        ids = torch.tensor(self.encode(words))
        rows = self.table[ids].clone().requires_grad_()
        w = self.weights
        count = max(1, int((ids != self.text["padding"]).sum()))
        hidden = torch.relu(w["hidden.weight"] @ (rows.sum(0) / count) + w["hidden.bias"])
        logits = w["out.weight"] @ hidden + w["out.bias"]
        (logits[1 - y] - logits[y]).backward()
        return ids, rows.grad


def hotflip(model, clean, y):
    now = list(clean)
    for step in range(1, LADDER[-1] + 1):
        ids, g = model.gradient(now, y)
        gains = []
        for at in range(min(len(now), model.text["length"])):
            if now[at] == clean[at]:
                gain = (model.rows - model.table[ids[at]]) @ g[at]
                top = torch.topk(gain, 10)
                gains += [(value, at, word) for value, word in zip(top.values.tolist(), top.indices.tolist())]
        gains = sorted((gain for gain in gains if gain[0] > 0), reverse=True)[:10]
        if not gains:
            return None
        options = [now[:at] + [model.words[word]] + now[at + 1 :] for _, at, word in gains]
        leads = model.leads(options, y)
        now = options[int(leads.argmin())]
        if leads.min() < 0:
            return step
    return None


def walk(model, clean, y, order, options):
    now, lead = list(clean), model.leads([clean], y)[0]
    for at in order:
        changed = sum(a != b for a, b in zip(now, clean))
        if changed >= LADDER[-1]:
            break
        words = options(now[at])
        if not words:
            continue
        texts = [now[:at] + [word] + now[at + 1 :] for word in words]
        leads = model.leads(texts, y)
        if leads.min() < 0:
            return changed + 1
        if leads.min() < lead:
            lead, now = leads.min(), texts[int(leads.argmin())]
    return None


def textfooler(model, clean, y):
    def substitutes(word):
        strip = [at for at, c in enumerate(word) if c.isalnum()]
        inner = word[strip[0] : strip[-1] + 1] if strip else ""
        known = [w for w in (inner, inner.lower()) if w in model.ids and model.ids[w] > 1]
        if not known:
            return []
        at = model.words.index(known[0])
        likeness = model.unit @ model.unit[at]
        likeness[at] = -2.0
        top = torch.topk(likeness, 50)
        best = [model.words[i] for v, i in zip(top.values.tolist(), top.indices.tolist()) if v >= 0.5]
        return [word[: strip[0]] + other + word[strip[-1] + 1 :] for other in best]

    whole = model.leads([clean], y)[0]
    without = model.leads([clean[:at] + clean[at + 1 :] for at in range(len(clean))], y)
    order = np.argsort(-(whole - without), kind="stable")
    return walk(model, clean, y, order, substitutes)


def deepwordbug(model, clean, y):
    def typos(word):
        strip = [at for at, c in enumerate(word) if c.isalnum()]
        if not strip:
            return []
        before, inner, after = word[: strip[0]], word[strip[0] : strip[-1] + 1], word[strip[-1] + 1 :]
        n, letter = len(inner), lambda: chr(97 + random.randrange(26))
        at = random.randrange(n)
        made = [inner[:at] + letter() + inner[at + 1 :]]
        at = random.randrange(n + 1)
        made.append(inner[:at] + letter() + inner[at:])
        if n > 1:
            at = random.randrange(n)
            made.append(inner[:at] + inner[at + 1 :])
            at = random.randrange(n - 1)
            made.append(inner[:at] + inner[at + 1] + inner[at] + inner[at + 2 :])
        return [before + new + after for new in made if new != inner]

    heads = model.leads([clean[:end] for end in range(len(clean) + 1)], y)
    tails = model.leads([clean[start:] for start in range(len(clean) + 1)], y)
    order = np.argsort(-(heads[1:] - heads[:-1] + tails[:-1] - tails[1:]), kind="stable")
    return walk(model, clean, y, order, typos)


def scoville(binary, toml, data, attack, samples):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        command = [binary, "assess", toml, "--data", f"tsv:{data}", "--attacks", attack, "--limit", samples]
        command += ["--device", "cpu", "--format", "ndjson", "--report-json", report]
        done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if not report.exists() or not report.stat().st_size:
            sys.exit(done.stderr.decode())
        judged = json.loads(report.read_text())["samples"]
    right = {s: l == p for s, l, p in zip(judged["sample"], judged["label"], judged["predicted"])}
    return right, dict(zip(judged["sample"], judged["distance"]))


def main(binary, toml, data, attack, samples):
    random.seed(0)
    model = Model(toml)
    with gzip.open(data, "rt", encoding="utf-8") as lines:
        pairs = [line.strip().split(" ", 1) for line in lines if line.strip()][:samples]
    right, ours = scoville(binary, toml, data, attack, samples)
    theirs = {}
    for sample, (label, text) in enumerate(pairs):
        words, y = text.split(), int(label)
        assert (model.leads([words], y)[0] > 0) == right[sample], f"another answer to sample {sample}"
        if right[sample]:
            theirs[sample] = globals()[attack](model, words, y)
    same = sum(theirs[s] == (None if ours[s] is None else round(ours[s])) for s in theirs)
    print(f"{attack}: {same} of {len(theirs)} texts take as many words in both")
    for name, edits in (("Scoville", ours), ("plain", theirs)):
        rates = [sum(edits[s] is not None and edits[s] <= most for s in theirs) / len(theirs) for most in LADDER]
        print(f"  {name:9}", "  ".join(f"{most} words {100 * rate:.1f} %" for most, rate in zip(LADDER, rates)))


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))

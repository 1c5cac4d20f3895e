#!/usr/bin/env python3
"""Robust accuracy under ACG, DI-FGSM and universal perturbations in Linf: Scoville beside ART, torchattacks and, for the universal
perturbation, a PyTorch loop over the same halves of the images (the mean of five random splits).

    VENV/bin/python benches/ball-attacks.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 100] [--eps 2/255,8/255]
"""
import argparse, contextlib, importlib.util, io, json, pathlib, subprocess
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("minimal", HERE / "minimal-norm.py")
minimal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(minimal)


def ours(a, attack, eps, seed=0):
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--eps-ladder", eps,
         "--attacks", attack, "--device", "cpu", "--format", "ndjson", "--batch", "512", "--seed", str(seed)], capture_output=True, text=True)
    assert run.returncode in (0, 5), run.stderr
    events = map(json.loads, run.stdout.splitlines())
    point = next(e for e in events if e["event"] == "technique.scored")["curve"][-1]
    return point["correct"] - point["successes"]


def acg(model, x, y, eps, loss):
    from art.attacks.evasion import AutoConjugateGradient
    from art.estimators.classification import PyTorchClassifier
    import torch
    classifier = PyTorchClassifier(model, torch.nn.CrossEntropyLoss(reduction="none"), x.shape[1:], 10, clip_values=(0, 1), device_type="cpu")
    attack = AutoConjugateGradient(classifier, np.inf, eps, 2 * eps, 100, nb_random_init=1, batch_size=128, loss_type=loss, verbose=False)
    onehot = np.eye(10, dtype=np.float32)[y.numpy()]
    return torch.tensor(attack.generate(x.numpy(), onehot))


def di(model, x, y, eps):
    import torchattacks
    return torchattacks.DIFGSM(model, eps, eps / 10, 10, decay=1.0, resize_rate=0.9, diversity_prob=0.5)(x, y)


def universal(model, x, y, eps):
    import torch
    half = torch.rand(len(x)) < 0.5
    adversarial = x.clone()
    for own in (half, ~half):
        delta = torch.zeros_like(x[:1])
        for _ in range(50):
            delta.requires_grad_(True)
            z = model((x[own] + delta).clamp(0, 1))
            label = z.gather(1, y[own, None])[:, 0]
            other = z.scatter(1, y[own, None], float("-inf")).amax(1)
            margin = (other - label)[other < label].sum()
            gradient, = torch.autograd.grad(margin, delta)
            delta = (delta + 0.1 * eps * gradient.sign()).clamp(-eps, eps).detach()
        adversarial[~own] = (x[~own] + delta).clamp(0, 1)
    return adversarial


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville"), p.add_argument("model"), p.add_argument("data")
    p.add_argument("--mean", default="0"), p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=100), p.add_argument("--eps", default="2/255,8/255")
    a = p.parse_args()
    model, x, y = minimal.peer_model(a)
    left = lambda adversarial: int((model(adversarial).argmax(1) == y).sum())
    print(f"{len(y)} correct of {a.n}")
    for text in a.eps.split(","):
        eps = float(text.split("/")[0]) / float(text.split("/")[1])
        for name, mine, theirs in [
            ("ACG, ART's on cross-entropy", "acg", lambda: left(acg(model, x, y, eps, "cross_entropy"))),
            ("ACG, ART's on DLR", "acg", lambda: left(acg(model, x, y, eps, "difference_logits_ratio"))),
            ("DI-FGSM", "di-fgsm", lambda: left(di(model, x, y, eps))),
            ("universal", "universal", lambda: np.mean([left(universal(model, x, y, eps)) for _ in range(5)])),
        ]:
            mean = np.mean([ours(a, mine, text, seed) for seed in range(5 if name == "universal" else 1)])
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                peer = theirs()
            print(f"{text} {name}: robust, Scoville {mean:g}, peer {peer:g}", flush=True)
        print(f"{text} APGD-CE: robust, Scoville {ours(a, 'apgd-ce', text)}", flush=True)


if __name__ == "__main__":
    main()

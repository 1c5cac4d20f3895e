#!/usr/bin/env python3
"""Robust accuracy under attacks in a ball: Scoville beside ART, Foolbox, torchattacks and, for the universal perturbation, a PyTorch
loop over the same halves of the images (the mean of --splits random ones).

    VENV/bin/python benches/ball-attacks.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 100] [--norm linf|l2]
        [--eps 2/255,8/255] [--only NAME]

ART's shadow attack knows no ball: of its points those count that lie within eps. Its feature adversary is led to the same guides as
ours, one after the other: the images of another label that are nearest in what the last layer reads.
"""
import argparse, contextlib, importlib.util, io, json, pathlib, subprocess
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("minimal", HERE / "minimal-norm.py")
minimal = importlib.util.module_from_spec(spec)
spec.loader.exec_module(minimal)


def ours(a, attack, eps, seed=0):
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", a.norm, "--eps-ladder", eps,
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


def vat(model, x, y, eps):
    import foolbox
    attack = foolbox.attacks.VirtualAdversarialAttack(steps=10, xi=0.1)
    return attack.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, foolbox.criteria.Misclassification(y), epsilon=eps)


def shadow(model, x, y, eps):
    import torch
    from art.attacks.evasion import ShadowAttack
    attack = ShadowAttack(minimal.art_classifier(model, x), sigma=1e-6, nb_steps=100, learning_rate=0.1, batch_size=1, verbose=False)
    found = torch.cat([torch.tensor(attack.generate(x[i : i + 1].numpy())) for i in range(len(x))])
    inside = (found - x).flatten(1).norm(dim=1) <= eps
    return torch.where(inside[:, None, None, None], found, x)


def feature_adversary(model, x, y, eps, guides=3):
    import torch
    from art.attacks.evasion import FeatureAdversariesPyTorch
    last = [m for m in model.modules() if isinstance(m, torch.nn.Linear)][-1]
    seen = {}
    last.register_forward_pre_hook(lambda _, inputs: seen.update(read=inputs[0]))

    class Features(torch.nn.Module):
        def forward(self, points):
            model(points)
            return seen["read"]

    classifier = minimal.art_classifier(torch.nn.Sequential(Features(), last), x)
    features = Features()(x).flatten(1).detach()
    far = torch.cdist(features, features).masked_fill(y[:, None] == y, float("inf"))
    attack = FeatureAdversariesPyTorch(classifier, delta=eps, layer=0, max_iter=50, step_size=0.1 * eps, batch_size=128, verbose=False)
    adversarial = x.clone()
    for guide in far.argsort(1).T[:guides]:
        stands = model(adversarial).argmax(1) == y
        found = torch.tensor(attack.generate(x.numpy(), x[guide].numpy()))
        adversarial[stands] = found[stands]
    return adversarial


# name, norms, ours, theirs
ROWS = [
    ("ACG, ART's on cross-entropy", ["linf"], "acg", lambda *at: acg(*at, "cross_entropy")),
    ("ACG, ART's on DLR", ["linf"], "acg", lambda *at: acg(*at, "difference_logits_ratio")),
    ("DI-FGSM", ["linf"], "di-fgsm", di),
    ("universal", ["linf"], "universal", universal),
    ("feature-adversary", ["linf"], "feature-adversary", feature_adversary),
    ("VAT", ["l2"], "vat", vat),
    ("shadow", ["l2"], "shadow", shadow),
    ("APGD-CE", ["linf", "l2"], "apgd-ce", None),
]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville"), p.add_argument("model"), p.add_argument("data")
    p.add_argument("--mean", default="0"), p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=100), p.add_argument("--eps", default="2/255,8/255")
    p.add_argument("--norm", choices=["linf", "l2"], default="linf")
    p.add_argument("--splits", type=int, default=5), p.add_argument("--only", default="")
    a = p.parse_args()
    model, x, y = minimal.peer_model(a)
    left = lambda adversarial: int((model(adversarial).argmax(1) == y).sum())
    print(f"{len(y)} correct of {a.n}")
    for text in a.eps.split(","):
        eps = float(text.split("/")[0]) / float((text + "/1").split("/")[1])
        for name, norms, mine, theirs in ROWS:
            if a.norm not in norms or a.only not in name:
                continue
            rounds = range(a.splits if name == "universal" else 1)
            line = f"{text} {name}: robust, Scoville {np.mean([ours(a, mine, text, seed) for seed in rounds]):g}"
            if theirs:
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    line += f", peer {np.mean([left(theirs(model, x, y, eps)) for _ in rounds]):g}"
            print(line, flush=True)


if __name__ == "__main__":
    main()

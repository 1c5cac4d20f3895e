#!/usr/bin/env python3
"""Transfer: attacks on surrogates, judged on a target, Scoville's beside Foolbox's and torchattacks' on the same images.

    VENV/bin/python benches/transfer.py SCOVILLE TARGET.toml SURROGATE.toml[,SURROGATE.toml] DATA.bin [--n 100] [--eps 8/255]

Each target.toml holds [model] with path, mean, std and layout. The images are those that the target classifies correctly. Several surrogates are
an ensemble: the mean of their logits.
"""
import argparse, fractions, importlib.util, json, os, pathlib, subprocess, tomllib

HERE = pathlib.Path(__file__).resolve().parent


def load(path):
    import torch
    from onnx2torch import convert

    class Fed(torch.nn.Module):
        def __init__(self, m):
            super().__init__()
            self.model = convert(m["path"]).eval()
            self.nhwc = m.get("layout") == "nhwc"
            self.mean = torch.tensor(m.get("mean", [0.0])).view(1, -1, 1, 1)
            self.std = torch.tensor(m.get("std", [1.0])).view(1, -1, 1, 1)

        def forward(self, x):
            z = (x - self.mean) / self.std
            return self.model(z.permute(0, 2, 3, 1) if self.nhwc else z).reshape(len(x), -1)

    model = Fed(tomllib.loads(pathlib.Path(path).read_text())["model"]).eval()
    for q in model.parameters():
        q.requires_grad_(False)
    return model


def mean_of(models):
    import torch

    class Mean(torch.nn.Module):
        def forward(self, x):
            return sum(m(x) for m in models) / len(models)

    return Mean().eval()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("target")
    p.add_argument("surrogates")
    p.add_argument("data")
    p.add_argument("--n", type=int, default=100)
    p.add_argument("--eps", type=fractions.Fraction, default=fractions.Fraction(8, 255))
    a = p.parse_args()
    for attack in ["pgd:steps=20:step=0.25", "mi-fgsm"]:
        run = subprocess.run(
            [a.scoville, "assess", a.target, "--surrogate", a.surrogates, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--eps-ladder", str(a.eps),
             "--attacks", f"{attack},transfer:{attack}", "--device", "cpu", "--format", "ndjson"], capture_output=True, text=True)
        scored = {e["technique"]: e for e in map(json.loads, run.stdout.splitlines()) if e["event"] == "technique.scored"}
        point = scored["AML.T0043.002"]["curve"][0]
        print(json.dumps(dict(who="scoville", attack=attack, transferred=point["successes"], of=point["correct"],
                              white_box=scored["AML.T0043.000"]["curve"][0]["successes"], queries=scored["AML.T0043.002"]["queries"])))

    import foolbox
    import torch
    import torchattacks
    spec = importlib.util.spec_from_file_location("peers", pathlib.Path(os.environ.get("DATA", HERE / "../../shared/data")) / "../peers/run_peers.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    eps = float(a.eps)
    target, surrogate = load(a.target), mean_of([load(s) for s in a.surrogates.split(",")])
    x, y = map(torch.tensor, peers.cifar(a.data, a.n))
    correct = target(x).argmax(1) == y
    x, y = x[correct], y[correct]
    pgd = foolbox.attacks.LinfPGD(abs_stepsize=0.25 * eps, steps=20)
    mi = torchattacks.MIFGSM(surrogate, eps=eps, alpha=eps / 10, steps=10, decay=1.0)
    for who, attack, make in [
        ("foolbox", "pgd", lambda: pgd.run(foolbox.PyTorchModel(surrogate, bounds=(0, 1), device="cpu"), x, foolbox.criteria.Misclassification(y), epsilon=eps)),
        ("torchattacks", "mi-fgsm", lambda: mi(x, y)),
    ]:
        wrong = target(make()).argmax(1) != y
        print(json.dumps(dict(who=who, attack=attack, transferred=int(wrong.sum()), of=len(y))))


main()

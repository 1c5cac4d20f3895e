#!/usr/bin/env python3
"""Median distances of minimal-norm attacks, a peer's (Foolbox, adv-lib, ART or torchattacks) beside ours, on correctly classified CIFAR-10 images.

    VENV/bin/python benches/minimal-norm.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 100]
        [--norm linf|l2|l1|l0] [--only NAME,..] [--skip-peers] [--skip-ours]

Ours is read off the security curve of one run on a ladder of 400 eps (in L0 1 to 400 elements), so it is rounded up by at most 1.8 %. The peer's is the
median of its distances, rounded up to the same ladder; where it finds nothing, the distance is infinite. In L0 what a peer changes by less than 1e-4 is
taken back before it is judged.
"""
import argparse, importlib.util, json, os, pathlib, subprocess, time

HERE = pathlib.Path(__file__).resolve().parent


def foolbox(name, **options):
    def run(model, x, y):
        import foolbox
        attack = getattr(foolbox.attacks, name)(**options)
        return attack.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, foolbox.criteria.Misclassification(y))
    run.who = "foolbox"
    return run


def adv_lib(name, **options):
    def run(model, x, y):
        import adv_lib.attacks
        return getattr(adv_lib.attacks, name)(model, x, y, **options)
    run.who = "adv-lib"
    return run


def art(name, **options):
    def run(model, x, y):
        import art.attacks.evasion
        import torch
        classifier = art_classifier(model, x)
        attack = getattr(art.attacks.evasion, name)(classifier, verbose=False, **options)
        return torch.tensor(attack.generate(x.numpy(), torch.nn.functional.one_hot(y, 10).numpy()))
    run.who = "art"
    return run


def art_classifier(model, x):
    import torch
    from art.estimators.classification import PyTorchClassifier
    return PyTorchClassifier(model, torch.nn.CrossEntropyLoss(reduction="sum"), tuple(x.shape[1:]), 10, clip_values=(0, 1), device_type="cpu")


def art_jsma(model, x, y):
    """ART's knows one class to aim at, here the second likeliest, and one end of the range: the nearer of both ends."""
    import torch
    from art.attacks.evasion import SaliencyMapMethod
    second = model(x).scatter(1, y[:, None], float("-inf")).argmax(1)
    goal = torch.nn.functional.one_hot(second, 10).numpy()
    classifier = art_classifier(model, x)
    ends = [torch.tensor(SaliencyMapMethod(classifier, theta=theta, gamma=0.1, batch_size=128, verbose=False).generate(x.numpy(), goal)) for theta in (1.0, -1.0)]
    far = [torch.where(model(end).argmax(1) != y, (end != x).flatten(1).sum(1), x[0].numel()) for end in ends]
    return torch.where((far[0] <= far[1])[:, None, None, None], *ends)


art_jsma.who = "art"


def torchattacks(name, **options):
    def run(model, x, y):
        import torchattacks
        return getattr(torchattacks, name)(model, **options)(x, y)
    run.who = "torchattacks"
    return run


# name: ours, theirs
ATTACKS = {
    "linf": {
        "deepfool": ("deepfool", foolbox("LinfDeepFoolAttack", steps=50)),
        "fmn": ("fmn:steps=100", foolbox("LInfFMNAttack", steps=100)),
        "fab": ("fab:steps=100", adv_lib("fab", norm=float("inf"), n_iter=100)),
        "cw-linf": ("cw-linf", adv_lib("carlini_wagner_linf", max_iterations=50)),
        "brendel-bethge": ("brendel-bethge", foolbox("LinfinityBrendelBethgeAttack", steps=200)),
    },
    "l2": {
        "deepfool": ("deepfool", foolbox("L2DeepFoolAttack", steps=50)),
        "ddn": ("ddn:steps=100", foolbox("DDNAttack", steps=100)),
        "fmn": ("fmn:steps=100", foolbox("L2FMNAttack", steps=100)),
        "fab": ("fab:steps=100", adv_lib("fab", norm=2, n_iter=100)),
        "cw": ("cw:steps=200:searches=9", foolbox("L2CarliniWagnerAttack", steps=200, binary_search_steps=9)),
        "alma": ("alma:steps=100", adv_lib("alma", num_steps=100, α=0.5, init_lr_distance=0.1)),
        "brendel-bethge": ("brendel-bethge", foolbox("L2BrendelBethgeAttack", steps=200)),
        "ead": ("ead:steps=200:searches=9", foolbox("EADAttack", steps=200, binary_search_steps=9, decision_rule="EN", abort_early=False)),
        "newtonfool": ("newtonfool:steps=100", foolbox("NewtonFoolAttack", steps=100)),
    },
    "l1": {
        "fmn": ("fmn:steps=100", foolbox("L1FMNAttack", steps=100)),
        "fab": ("fab:steps=100", adv_lib("fab", norm=1, n_iter=100)),
        "ead": ("ead:steps=200:searches=9", foolbox("EADAttack", steps=200, binary_search_steps=9, decision_rule="L1", abort_early=False)),
        "ead-art": ("ead:steps=200:searches=9", art("ElasticNet", max_iter=200, binary_search_steps=9, beta=0.01, decision_rule="L1", batch_size=128)),
        "alma": ("alma:steps=100", adv_lib("alma", distance="l1", num_steps=100, α=0.5, init_lr_distance=0.5)),
        "brendel-bethge": ("brendel-bethge", foolbox("L1BrendelBethgeAttack", steps=200)),
    },
    "l0": {
        "fmn": ("fmn:steps=100", foolbox("L0FMNAttack", steps=100)),
        "sigma-zero": ("sigma-zero:steps=100", adv_lib("sigma_zero", num_steps=100)),
        "jsma": ("jsma:steps=300", art_jsma),
        "sparsefool": ("sparsefool", torchattacks("SparseFool", steps=50, lam=1)),
        "cw-l0": ("cw-l0", art("CarliniL0Method", batch_size=128)),
        "brendel-bethge": ("brendel-bethge", foolbox("L0BrendelBethgeAttack", steps=200)),
    },
}
LADDER = {"linf": (1e-3, 1.0), "l2": (1e-2, 10.0), "l1": (1e-1, 100.0)}
ORDER = {"linf": float("inf"), "l2": 2, "l1": 1, "l0": 0}


def ladder(norm):
    if norm == "l0":
        return list(range(1, 401))
    low, high = LADDER[norm]
    return [low * (high / low) ** (i / 399) for i in range(400)]


def ours(a, attack, eps):
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", a.norm,
         "--eps-ladder", ",".join(map(repr, eps)), "--attacks", attack, "--device", "cpu", "--format", "ndjson"],
        capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    scored = next(e for e in events if e["event"] == "technique.scored" and e["technique"] == "AML.T0043.000")
    curve = scored["curve"]
    half = next((p["eps"] for p in curve if 2 * p["successes"] >= p["correct"]), float("inf"))
    return dict(median=half, found=curve[-1]["successes"], of=curve[-1]["correct"], seconds=round(scored["seconds"], 2), gradients=scored["gradients"])


def theirs(model, x, y, attack, eps, norm):
    import torch
    start = time.perf_counter()
    adv = attack(model, x, y)
    seconds = time.perf_counter() - start
    if norm == "l0":
        adv = torch.where((adv - x).abs() < 1e-4, x, adv)
    with torch.no_grad():
        wrong = model(adv).argmax(1) != y
    distance = (adv - x).flatten(1).norm(ORDER[norm], dim=1)
    distance = [d if w else float("inf") for d, w in zip(distance.tolist(), wrong.tolist())]
    half = sorted(distance)[(len(distance) + 1) // 2 - 1]
    return dict(median=min((e for e in eps if e >= half), default=float("inf")), found=sum(wrong.tolist()), of=len(y), seconds=round(seconds, 2))


def peer_model(a):
    import torch
    from onnx2torch import convert
    spec = importlib.util.spec_from_file_location("peers", pathlib.Path(os.environ.get("DATA", HERE / "../../shared/data")) / "../peers/run_peers.py")
    peers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peers)
    torch.set_num_threads(2)
    torch.manual_seed(0)
    model = convert(a.model).eval()
    for q in model.parameters():
        q.requires_grad_(False)
    floats = lambda s: [float(v) for v in s.split(",")]
    model = peers.Normalised(model, floats(a.mean), floats(a.std), None).eval()
    x, y = map(torch.tensor, peers.cifar(a.data, a.n))
    correct = model(x).argmax(1) == y
    return model, x[correct], y[correct]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--mean", default="0")
    p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=100)
    p.add_argument("--norm", choices=list(ATTACKS), default="l2")
    p.add_argument("--only", default="")
    p.add_argument("--skip-peers", action="store_true")
    p.add_argument("--skip-ours", action="store_true")
    a = p.parse_args()
    eps = ladder(a.norm)
    peer = None if a.skip_peers else peer_model(a)
    for name, (mine, attack) in ATTACKS[a.norm].items():
        if a.only and name not in a.only.split(","):
            continue
        if not a.skip_ours:
            print(json.dumps(dict(attack=name, norm=a.norm, who="scoville", **ours(a, mine, eps))), flush=True)
        if peer and attack:
            print(json.dumps(dict(attack=name, norm=a.norm, who=attack.who, **theirs(*peer, attack, eps, a.norm))), flush=True)


if __name__ == "__main__":
    main()

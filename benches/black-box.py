#!/usr/bin/env python3
"""Black-box attacks, ours beside ART's, Foolbox's, CleverHans' and torchattacks', on the correctly classified of the first CIFAR-10 images.

    VENV/bin/python benches/black-box.py SCOVILLE MODEL.onnx DATA.bin --mean a,b,c --std a,b,c [--n 30] [--queries 1000]
        [--norm linf|l2|l1|l0] [--eps 0.03] [--only NAME,..] [--skip-peers] [--skip-ours] [--authors FOLDER]

At `eps`, how many are broken within so many queries, and the median of the queries of those; of attacks from labels also the median
distance after so many queries about a sample. A peer attacks one image at a time; every point that it asks about is counted and
judged, and its run is cut off when the budget is spent. Our distances are read off the security curve of another run on a ladder of
400 eps, rounded up by at most 1.8 %.

No library has RayS, NES or Bandits. With --authors, a folder with checkouts of uclaml/RayS and MadryLab/blackbox-bandits, the code of
their authors runs on all images at once, and counts its queries itself: it does not count those by which it looks whether it is done.
"""
import argparse, contextlib, importlib.util, json, pathlib, subprocess, sys, tempfile, time, types, warnings

HERE = pathlib.Path(__file__).resolve().parent
INF = float("inf")


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


shared = load("minimal_norm", HERE / "minimal-norm.py")


def foolbox_attack(make):
    def run(model, x, y, a):
        import foolbox
        import foolbox.attacks as fa
        fmodel = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        make(fa, a).run(fmodel, x, foolbox.criteria.Misclassification(y))
    return run


def art_attack(make, scores=False):
    def run(model, x, y, a):
        import art.attacks.evasion as ae
        import torch
        from art.estimators.classification import PyTorchClassifier
        loss = torch.nn.CrossEntropyLoss()
        # SimBA and ZOO want probabilities.
        net = torch.nn.Sequential(model, torch.nn.Softmax(1)) if scores else model
        c = PyTorchClassifier(net, loss, tuple(x.shape[1:]), 10, clip_values=(0, 1), device_type="cpu")
        # SimBA takes labels as one-hot rows only.
        make(ae, c, a).generate(x.numpy(), torch.nn.functional.one_hot(y, 10).numpy())
    return run


def spsa(model, x, y, a):
    from cleverhans.torch.attacks.spsa import spsa
    spsa(model, x, a.eps, 100, norm=float("inf"), clip_min=0, clip_max=1, y=y, spsa_samples=32, sanity_checks=False)


def torch_attack(make):
    def run(model, x, y, a):
        import torchattacks
        attack = make(torchattacks, model, a)
        attack.set_device("cpu")
        attack(x, y)
    return run


order = lambda a: 2 if a.norm == "l2" else INF
# name: (norms, {peer: run})
LABELS = {
    "hop-skip-jump": (["linf", "l2"], {
        "foolbox": foolbox_attack(lambda fa, a: fa.HopSkipJumpAttack(steps=64, constraint=a.norm)),
        "art": art_attack(lambda ae, c, a: ae.HopSkipJump(c, norm=order(a), max_iter=50, max_eval=10000, init_eval=100, verbose=False)),
    }),
    "boundary": (["l2"], {
        "foolbox": foolbox_attack(lambda fa, a: fa.BoundaryAttack(steps=25000)),
        "art": art_attack(lambda ae, c, a: ae.BoundaryAttack(c, targeted=False, max_iter=a.queries, verbose=False)),
    }),
    "sign-opt": (["l2"], {"art": art_attack(lambda ae, c, a: ae.SignOPTAttack(c, targeted=False, query_limit=a.queries, verbose=False))}),
    "geoda": (["linf", "l2"], {"art": art_attack(lambda ae, c, a: ae.GeoDA(c, norm=order(a), max_iter=a.queries, sub_dim=10, verbose=False))}),
    "rays": (["linf"], {}),
    "pointwise": (["l1", "l0"], {"foolbox": foolbox_attack(lambda fa, a: fa.PointwiseAttack())}),
}
SCORES = {
    "square": (["linf", "l2"], {
        "art": art_attack(lambda ae, c, a: ae.SquareAttack(c, norm=order(a), max_iter=a.queries, eps=a.eps, p_init=0.8, nb_restarts=1, verbose=False), True),
        "torchattacks": torch_attack(lambda ta, m, a: ta.Square(m, norm=a.norm.capitalize(), eps=a.eps, n_queries=a.queries, p_init=0.8, loss="margin")),
    }),
    "simba": (["l2"], {"art": art_attack(lambda ae, c, a: ae.SimBA(c, attack="px", max_iter=a.queries, epsilon=0.2, verbose=False), True)}),
    "simba-dct": (["l2"], {
        "art": art_attack(lambda ae, c, a: ae.SimBA(c, attack="dct", max_iter=a.queries, epsilon=0.2, freq_dim=14, stride=1, verbose=False), True),
    }),
    "nes": (["linf", "l2"], {}),
    "spsa": (["linf"], {
        "cleverhans": spsa,
        "torchattacks": torch_attack(lambda ta, m, a: ta.SPSA(m, eps=a.eps, nb_iter=a.queries, nb_sample=32)),
    }),
    "bandits": (["linf", "l2"], {}),
    "zoo": (["l2"], {"art": art_attack(lambda ae, c, a: ae.ZooAttack(c, learning_rate=0.03, max_iter=100, binary_search_steps=1, initial_const=10, nb_parallel=128, use_resize=False, use_importance=False, variable_h=1e-3, verbose=False), True)}),
    "one-pixel": (["l0"], {
        "torchattacks": torch_attack(lambda ta, m, a: ta.OnePixel(m, pixels=int(a.eps) // 3, steps=a.queries, popsize=100)),
    }),
}


def rays(folder, model, x, y, a):
    import torch
    # Their code knows only GPUs, and draws a bar of progress.
    torch.Tensor.cuda = lambda self, *_, **__: self
    sys.modules["pgbar"] = types.SimpleNamespace(progress_bar=lambda *_: None)
    code = load("authors_rays", folder / "RayS/RayS.py")
    labels = load("authors_model", folder / "RayS/general_torch_model.py").GeneralTorchModel(model)
    start = time.perf_counter()
    with contextlib.redirect_stdout(None):
        _, queries, far, done = code.RayS(labels, epsilon=a.eps)(x, y, query_limit=a.queries)
    return summary(queries[done].tolist(), far.tolist(), start)


def bandits(config):
    def run(folder, model, x, y, a):
        import torch
        source = (folder / "blackbox-bandits/src/main.py").read_text()
        code = {"__name__": "authors_bandits"}
        # Their file asks for ImageNet and a GPU when it is loaded.
        source = source.replace('IMAGENET_PATH = ""', 'IMAGENET_PATH = "none"').replace("ch.set_default_tensor_type", "str")
        exec(compile(source, "main.py", "exec"), code)
        code["F"] = types.SimpleNamespace(normalize=lambda x, *_: x)
        torch.Tensor.cuda = lambda self, *_, **__: self
        settings = json.loads((folder / f"blackbox-bandits/src/configs/{config}-{a.norm}.json".replace("bandits-", "")).read_text())
        settings.update(epsilon=a.eps, max_queries=a.queries, batch_size=len(x), nes=config == "nes", tiling=config == "bandits", log_progress=False,
                        # As long a step for the radius as theirs, tiles as many for the side.
                        image_lr=settings["image_lr"] * a.eps / settings["epsilon"], tile_size=8)
        torch.manual_seed(0)
        start = time.perf_counter()
        with contextlib.redirect_stdout(None), torch.no_grad():
            out = code["make_adversarial_examples"](x, y, code["Parameters"](settings), model, x.shape[-1])
        far = (torch.tensor(out["images_adv"]) - x).flatten(1).norm(shared.ORDER[a.norm], dim=1)
        done = out["success"] > 0
        return summary(out["all_queries"][done].tolist(), [d if ok else INF for d, ok in zip(far.tolist(), done)], start)
    return run


# The authors' own code, by attack.
AUTHORS = {"rays": rays, "nes": bandits("nes"), "bandits": bandits("bandits")}


class Spent(Exception):
    pass


def meter(model, x, y, a):
    """The model, noting of every point asked about whether it is misclassified and how near."""
    import torch

    class Meter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.asked, self.nearest, self.first = 0, INF, None

        def forward(self, points):
            left = a.queries - self.asked
            out = model(points)
            self.asked += len(points)
            far = (points - x).flatten(1).norm(shared.ORDER[a.norm], dim=1)
            wrong = out.argmax(1) != y
            for i, (w, d) in enumerate(zip(wrong[:left].tolist(), far[:left].tolist())):
                if w:
                    self.nearest = min(self.nearest, d)
                    if self.first is None and d <= a.eps * (1 + 1e-5):
                        self.first = self.asked - len(points) + i + 1
            if self.asked >= a.queries:
                raise Spent
            return out

    return Meter().eval()


def theirs(model, xs, ys, run, a):
    import torch
    nearest, first, start = [], [], time.perf_counter()
    for i in range(len(xs)):
        x, y = xs[i:i + 1], ys[i:i + 1]
        m = meter(model, x, y, a)
        # ART's SimBA leaves a file where it runs.
        try:
            with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), torch.no_grad():
                run(m, x, y, a)
        except Spent:
            pass
        nearest.append(m.nearest)
        first.append(m.first)
    return summary([f for f in first if f], nearest, start)


def summary(queries, nearest, start):
    """Of the queries about what was broken, and how near all came."""
    broken = sorted(queries)
    half = sorted(nearest)[(len(nearest) + 1) // 2 - 1]
    return dict(median_distance=round(half, 4), broken=len(broken), of=len(nearest), median_queries=broken[len(broken) // 2] if broken else None,
                seconds=round(time.perf_counter() - start, 1))


def scored(a, attack, eps):
    run = subprocess.run(
        [a.scoville, "assess", a.model, "--data", f"cifar10:{a.data}", "--limit", str(a.n), "--mean", a.mean, "--std", a.std, "--norm", a.norm,
         "--eps-ladder", ",".join(map(repr, eps)), "--attacks", f"{attack}:queries={a.queries}", "--device", "cpu", "--format", "ndjson"],
        capture_output=True, text=True)
    events = [json.loads(line) for line in run.stdout.splitlines()]
    return next(e for e in events if e["event"] == "technique.scored" and e["technique"] == "AML.T0043.001")


def ours(a, attack, labels):
    at = scored(a, attack, [a.eps])
    point = at["curve"][0]
    out = dict(broken=point["successes"], of=point["correct"], median_queries=(point["queries"] or {}).get("median"), seconds=round(at["seconds"], 1))
    if labels:
        curve = scored(a, attack, shared.ladder(a.norm))["curve"]
        out["median_distance"] = round(next((p["eps"] for p in curve if 2 * p["successes"] >= p["correct"]), INF), 4)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("scoville")
    p.add_argument("model")
    p.add_argument("data")
    p.add_argument("--mean", default="0")
    p.add_argument("--std", default="1")
    p.add_argument("--n", type=int, default=30)
    p.add_argument("--queries", type=int, default=1000)
    p.add_argument("--norm", choices=list(shared.ORDER), default="l2")
    p.add_argument("--eps", type=float, default=1.5)
    p.add_argument("--only", default="")
    p.add_argument("--skip-peers", action="store_true")
    p.add_argument("--skip-ours", action="store_true")
    p.add_argument("--authors", type=pathlib.Path)
    a = p.parse_args()
    warnings.filterwarnings("ignore")
    peer = None if a.skip_peers else shared.peer_model(a)
    for name, (norms, peers) in {**LABELS, **SCORES}.items():
        if a.only and name not in a.only.split(",") or a.norm not in norms:
            continue
        say = lambda who, figures: print(json.dumps(dict(attack=name, norm=a.norm, queries=a.queries, who=who, **figures)), flush=True)
        if not a.skip_ours:
            say("scoville", ours(a, name, name in LABELS))
        for who, run in (peers.items() if peer else ()):
            say(who, theirs(*peer, run, a))
        if a.authors and peer and name in AUTHORS:
            say("authors", AUTHORS[name](a.authors, *peer, a))


if __name__ == "__main__":
    main()

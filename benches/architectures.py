#!/usr/bin/env python3
"""Forward pass and input gradient of torchvision's architectures (random weights, moved statistics of batch normalisation), beside
PyTorch and onnxruntime on 2 threads of the CPU, in turn; and how far outputs and gradients are from theirs.

    cargo build --release -p scoville -p scoville-runtime --bins --example time-model
    VENV/bin/python benches/architectures.py OUT [--batch 4] [--rounds 2] [--programs target/release] [NAME ..]

VENV also needs torchvision. The models are exported to OUT, 224 x 224. A row has the milliseconds of a forward pass (ours, onnxruntime's,
PyTorch's), of one with gradient (ours, PyTorch's), one number a round; the best of ours over the best of theirs; and the largest
difference of outputs (from onnxruntime) and of gradients of the cross-entropy (from PyTorch in float64, and PyTorch's own in float32 from
that: across a kink of a rectifier or a pool both have another gradient), each over the largest value.
"""
import argparse, json, os, statistics, subprocess, sys, tempfile, time

ARCHITECTURES = ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "densenet121", "googlenet", "squeezenet1_1", "alexnet", "vgg11_bn",
                 "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet1_0", "shufflenet_v2_x1_0", "regnet_y_400mf",
                 "efficientnet_b0", "efficientnet_v2_s", "convnext_tiny", "swin_t", "vit_b_16"]
SHAPE = (3, 224, 224)


def network(name):
    import torch, torchvision
    torch.manual_seed(0)
    torch.set_num_threads(2)
    # What replaces attention outside of training is not exported.
    torch.backends.mha.set_fastpath_enabled(False)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(weights=None, **options).eval()
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    for weights in net.parameters():
        # Heads that begin with zeros would answer nothing.
        if weights.dim() == 2 and not weights.any():
            torch.nn.init.normal_(weights, std=0.02)
    return net.requires_grad_(False)


def images(batch):
    import numpy as np
    return np.random.default_rng(0).random((batch, *SHAPE), dtype=np.float32)


def median(run, rounds=5):
    run()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def by_torch(name, batch):
    """Milliseconds of PyTorch itself, in a process of its own: onnx2torch does not convert all of them."""
    import torch
    net, x = network(name), torch.tensor(images(batch))

    def forward():
        with torch.no_grad():
            net(x)

    def gradient():
        leaf = x.clone().requires_grad_(True)
        net(leaf).sum().backward()

    return {"forward_ms": median(forward), "gradient_ms": median(gradient)}


def truth(name, path, scoville):
    """Differences of outputs and gradients of two images."""
    import numpy as np, onnxruntime, torch
    x = images(2)
    labels = network(name)(torch.tensor(x)).argmin(1)

    def by_torch(dtype):
        leaf = torch.tensor(x, dtype=dtype).requires_grad_(True)
        torch.nn.functional.cross_entropy(network(name).to(dtype)(leaf), labels, reduction="sum").backward()
        return leaf.grad.numpy()

    theirs = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    with tempfile.TemporaryDirectory() as folder:
        x.tofile(f"{folder}/x.f32")
        open(f"{folder}/y.csv", "w").write("label\n" + "".join(f"{int(label)}\n" for label in labels))
        run = subprocess.run([scoville, "predict", path, "--data", f"f32:{folder}/x.f32,{folder}/y.csv", "--raw", "--device", "cpu", "--shape",
                              ",".join(map(str, SHAPE)), "--gradient", f"{folder}/g.f32", "--out", f"{folder}/z.f32"],
                             capture_output=True, text=True)
        if run.returncode:
            return run.stderr.strip()
        gradient = np.fromfile(f"{folder}/g.f32", np.float32).reshape(x.shape)
        ours = np.fromfile(f"{folder}/z.f32", np.float32).reshape(theirs.shape)
    exact, single = by_torch(torch.float64), by_torch(torch.float32)
    off = lambda ours, theirs: f"{np.abs(ours - theirs).max() / np.abs(theirs).max():.1e}"
    return f"{off(ours, theirs)}, {off(gradient, exact)} ({off(single, exact)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("names", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--programs", default=os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "target/release"))
    parser.add_argument("--torch", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.update(RAYON_NUM_THREADS="2", OMP_NUM_THREADS="2")
    path = lambda name: os.path.join(args.out, f"{name}.onnx")
    if args.torch:
        print(json.dumps(by_torch(args.names[0], args.batch)))
        return
    os.makedirs(args.out, exist_ok=True)
    for name in args.names:
        if not os.path.exists(path(name)):
            import torch, warnings
            warnings.filterwarnings("ignore")
            torch.onnx.export(network(name), torch.zeros(1, *SHAPE), path(name), input_names=["x"], output_names=["y"],
                              dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, dynamo=False, opset_version=17)
        what = [path(name), str(args.batch), "5", ",".join(map(str, SHAPE))]
        commands = {
            "scoville": [os.path.join(args.programs, "examples/time-model"), *what],
            "onnxruntime": [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "runtime_peers.py"), "onnxruntime", *what],
            "torch": [sys.executable, os.path.abspath(__file__), args.out, name, "--batch", str(args.batch), "--torch"],
        }
        rows = {which: [] for which in commands}
        for _ in range(args.rounds):
            for which, command in commands.items():
                run = subprocess.run(command, capture_output=True, text=True)
                if run.returncode:
                    sys.exit(f"{name}, {which}: {run.stderr.strip()}")
                rows[which].append(json.loads(run.stdout.splitlines()[-1]))
        column = lambda which, key: ", ".join(f"{row[key]:.0f}" for row in rows[which])
        best = lambda which, key: min(row[key] for row in rows[which])
        ratio = lambda which, key: f"{best('scoville', key) / best(which, key):.2f}"
        print(f"{name:<20} forward {column('scoville', 'forward_ms')} / {column('onnxruntime', 'forward_ms')} / {column('torch', 'forward_ms')}"
              f" ({ratio('onnxruntime', 'forward_ms')}, {ratio('torch', 'forward_ms')})"
              f"  gradient {column('scoville', 'gradient_ms')} / {column('torch', 'gradient_ms')} ({ratio('torch', 'gradient_ms')})"
              f"  off by {truth(name, path(name), os.path.join(args.programs, 'scoville'))}", flush=True)


main()

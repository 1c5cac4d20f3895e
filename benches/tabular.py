"""Models of tables, and attacks of ART on them, beside Scoville.

    python benches/tabular.py train --data DATA/tabular --out DIR
    python benches/tabular.py peers --out DIR [--rows 40]
    python benches/tabular.py ours --out DIR [--rows 40] --scoville target/release/scoville

`train` writes to DIR, for Adult: an MLP on one-hot features (mlp.onnx), a decision tree (tree.onnx) and a forest
(forest.onnx), a forest of Nursery (nursery.onnx), and the rows that none of them saw (adult.csv, nursery.csv). `peers` runs
ART's LowProFool, HopSkipJump and DecisionTreeAttack on the first rows that a model gets right, and measures what they find as
Scoville does: in [0, 1] by the range of each feature, before and after it is made valid by adult.toml. `ours` runs Scoville on
the same rows.
"""

import argparse
import gzip
import json
import pickle
import subprocess
import time
import tomllib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent / "tabular"


class Table:
    """A file's rows as a model's inputs, by the description that Scoville reads."""

    def __init__(self, name, path):
        self.features = tomllib.loads((HERE / f"{name}.toml").read_text())["features"]
        opener = gzip.open if str(path).endswith(".gz") else open
        with opener(path, "rt") as file:
            lines = [line.strip() for line in file if line.strip()]
        self.header = None if self.features.get("header") is False else lines.pop(0)
        self.lines = lines
        cells = [[cell.strip() for cell in line.split(",")] for line in lines]
        self.y = np.array([self.features["classes"].index(row[-1]) for row in cells])
        parts, self.ranges, self.groups, self.limits = [], [], [], []
        at = 0
        for j, column in enumerate(self.features["column"]):
            values = [row[j] for row in cells]
            fixed = column.get("immutable", False)
            may = ("none",) if fixed else (column.get("may", "both"),)
            if column["kind"] == "integer":
                low, high = column["range"]
                part = np.array(values, dtype=np.float32)[:, None]
                self.ranges.append((low, high))
                self.limits.append((high - low, may[0]))
            elif column["kind"] == "ordinal":
                codes = [column["categories"].index(v) for v in values]
                part = np.array(codes, dtype=np.float32)[:, None]
                steps = len(column["categories"]) - 1
                self.ranges.append((0, steps))
                self.limits.append((steps, may[0]))
            else:
                codes = np.array([column["categories"].index(v) for v in values])
                width = len(column["categories"])
                part = np.eye(width, dtype=np.float32)[codes]
                self.groups.append((at, width, may[0]))
                self.ranges += [(0, 1)] * width
                self.limits += [(1, may[0])] * width
            parts.append(part)
            at += part.shape[1]
        self.x = np.concatenate(parts, axis=1).astype(np.float32)
        low, high = np.array(self.ranges, dtype=np.float64).T
        self.low, self.span = low, high - low

    def unit(self, x):
        return (x - self.low) / self.span

    def raw(self, u):
        return u * self.span + self.low

    def valid(self, clean, moved):
        """The valid row nearest to `moved`, as Scoville takes it (both in [0, 1])."""
        out = moved.copy()
        grouped = np.zeros(len(out), dtype=bool)
        for first, width, may in self.groups:
            group = slice(first, first + width)
            grouped[group] = True
            at = int(np.argmax(clean[group]))
            others = [k for k in range(width) if k != at]
            best = max(others, key=lambda k: moved[first + k])
            change = may != "none" and moved[first + best] >= moved[first + at]
            out[group] = 0
            out[first + (best if change else at)] = 1
        for j, (levels, may) in enumerate(self.limits):
            if grouped[j]:
                continue
            low = clean[j] if may in ("none", "rise") else 0.0
            high = clean[j] if may in ("none", "fall") else 1.0
            steps = (np.clip(moved[j], low, high) - clean[j]) * levels
            out[j] = clean[j] + np.sign(steps) * np.floor(abs(steps) + 1e-3) / levels
        return out


def save(model, path):
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def answers(path, x):
    session = onnxruntime.InferenceSession(str(path))
    out = session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})
    scores = out[-1] if len(out) > 1 else out[0]
    return np.asarray(scores).argmax(1)


def mlp(table, train, out):
    import torch

    torch.manual_seed(0)
    mean, std = table.x[train].mean(0), table.x[train].std(0) + 1e-6
    onehot = np.zeros(len(mean), dtype=bool)
    for first, width, _ in table.groups:
        onehot[first : first + width] = True
    mean[onehot], std[onehot] = 0, 1
    net = torch.nn.Sequential(
        torch.nn.Linear(len(mean), 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 2)
    )
    x = torch.tensor((table.x[train] - mean) / std)
    y = torch.tensor(table.y[train])
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(15):
        order = torch.randperm(len(x))
        for rows in order.split(256):
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            adam.step()
    weights = {"mean": mean, "std": std}
    nodes = [helper.make_node("Sub", ["x", "mean"], ["centred"]), helper.make_node("Div", ["centred", "std"], ["h0"])]
    for i, layer in enumerate(m for m in net if isinstance(m, torch.nn.Linear)):
        weights[f"w{i}"] = layer.weight.detach().numpy()
        weights[f"b{i}"] = layer.bias.detach().numpy()
        last = i == 2
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"w{i}", f"b{i}"], ["logits" if last else f"z{i}"], transB=1))
        if not last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i + 1}"]))
    graph = helper.make_graph(
        nodes,
        "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(mean)])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(np.asarray(v, dtype=np.float32), k) for k, v in weights.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), out)


def sklearn_model(model, width, out):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    made = to_onnx(
        model,
        initial_types=[("x", FloatTensorType([None, width]))],
        options={id(model): {"zipmap": False}},
        target_opset={"": 15, "ai.onnx.ml": 3},
    )
    save(made, out)


def train(data, out):
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.tree import DecisionTreeClassifier

    out.mkdir(parents=True, exist_ok=True)
    for name in ["adult", "nursery"]:
        table = Table(name, data / f"{name}.data.gz")
        order = np.random.default_rng(0).permutation(len(table.y))
        cut = len(order) * 4 // 5
        fit, test = order[:cut], order[cut:]
        lines = ([table.header] if table.header else []) + [table.lines[i] for i in test]
        (out / f"{name}.csv").write_text("\n".join(lines) + "\n")
        forest = RandomForestClassifier(n_estimators=50, max_depth=10, random_state=0)
        forest.fit(table.x[fit], table.y[fit])
        models = {"forest" if name == "adult" else "nursery": forest}
        if name == "adult":
            tree = DecisionTreeClassifier(max_depth=10, random_state=0)
            models["tree"] = tree.fit(table.x[fit], table.y[fit])
            mlp(table, fit, out / "mlp.onnx")
        for key, model in models.items():
            sklearn_model(model, table.x.shape[1], out / f"{key}.onnx")
            (out / f"{key}.sklearn").write_bytes(pickle.dumps(model))
        for key in list(models) + (["mlp"] if name == "adult" else []):
            right = (answers(out / f"{key}.onnx", table.x[test]) == table.y[test]).mean()
            print(json.dumps({"model": key, "rows": len(test), "accuracy": round(float(right), 4)}))


def rows_of(table, path, count):
    """The first rows that a model gets right."""
    return np.flatnonzero(answers(path, table.x) == table.y)[:count]


def measured(table, path, rows, found, seconds, what, queries=None):
    """Success and distances of `found` (in [0, 1]) as it is, and made valid."""
    clean = table.unit(table.x[rows].astype(np.float64))
    result = {"attack": what, "rows": len(rows), "seconds": round(seconds, 2)}
    if queries is not None:
        result["queries a row"] = queries // len(rows)
    valid = np.array([table.valid(c, m) for c, m in zip(clean, found)])
    for key, points in [("as found", found), ("valid", valid)]:
        wrong = answers(path, table.raw(points)) != table.y[rows]
        moved = points - clean
        l2 = np.linalg.norm(moved, axis=1)[wrong]
        linf = np.abs(moved).max(1)[wrong]
        median = lambda d: round(float(np.median(d)), 4) if len(d) else None
        result[key] = {"successes": int(wrong.sum()), "median l2": median(l2), "median linf": median(linf)}
    print(json.dumps(result), flush=True)


def peers(out, count):
    import torch
    from art.attacks.evasion import DecisionTreeAttack, HopSkipJump, LowProFool
    from art.estimators.classification import BlackBoxClassifier, PyTorchClassifier
    from art.estimators.classification.scikitlearn import ScikitlearnDecisionTreeClassifier

    table = Table("adult", out / "adult.csv")

    path = out / "mlp.onnx"
    rows = rows_of(table, path, count)
    weights = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    low, span = (torch.tensor(v, dtype=torch.float32) for v in (table.low, table.span))

    class Net(torch.nn.Module):
        def forward(self, u):
            h = (u * span + low - torch.tensor(weights["mean"])) / torch.tensor(weights["std"])
            for i in range(3):
                h = h @ torch.tensor(weights[f"w{i}"]).T + torch.tensor(weights[f"b{i}"])
                h = h if i == 2 else torch.relu(h)
            return h

    width = table.x.shape[1]
    clean = table.unit(table.x[rows].astype(np.float64)).astype(np.float32)
    net = PyTorchClassifier(Net(), torch.nn.CrossEntropyLoss(), (width,), 2, clip_values=(0.0, 1.0))
    # Its own Pearson correlation is NaN for a category that no row has.
    unit = table.unit(table.x)
    spread = unit.std(0)
    together = ((unit - unit.mean(0)) * (table.y - table.y.mean())[:, None]).mean(0)
    importance = np.abs(np.divide(together, spread * table.y.std(), out=np.zeros_like(spread), where=spread > 0))
    attack = LowProFool(net, n_steps=100, threshold=None, importance=importance / np.linalg.norm(importance))
    begin = time.time()
    found = attack.generate(clean, np.eye(2)[1 - table.y[rows]])
    measured(table, path, rows, found.astype(np.float64), time.time() - begin, "ART LowProFool on mlp")

    for key in ["mlp", "forest"]:
        path = out / f"{key}.onnx"
        rows = rows_of(table, path, count // 4)
        clean = table.unit(table.x[rows].astype(np.float64)).astype(np.float32)
        asked = [0]

        def one_hot(u):
            asked[0] += len(u)
            return np.eye(2)[answers(path, table.raw(u))]

        box = BlackBoxClassifier(one_hot, (width,), 2, clip_values=(0.0, 1.0))
        begin = time.time()
        attack = HopSkipJump(box, norm=2, max_iter=10, max_eval=1000, init_eval=100, verbose=False)
        found = attack.generate(clean)
        measured(table, path, rows, found.astype(np.float64), time.time() - begin, f"ART HopSkipJump on {key}", asked[0])

    path = out / "tree.onnx"
    rows = rows_of(table, path, count)
    tree = pickle.loads((out / "tree.sklearn").read_bytes())
    attack = DecisionTreeAttack(ScikitlearnDecisionTreeClassifier(tree), verbose=False)
    begin = time.time()
    found = attack.generate(table.x[rows].astype(np.float64))
    measured(table, path, rows, table.unit(found), time.time() - begin, "ART DecisionTreeAttack on tree")


def ours(out, count, scoville):
    table = Table("adult", out / "adult.csv")
    for key, attack, few in [
        ("mlp", "lowprofool", False),
        ("mlp", "fmn", False),
        ("mlp", "hop-skip-jump:queries=3000", True),
        ("forest", "hop-skip-jump:queries=3000", True),
        ("forest", "leaf-tuple", True),
        ("forest", "leaf-tuple", False),
        ("tree", "decision-tree", False),
    ]:
        path = out / f"{key}.onnx"
        rows = rows_of(table, path, count // 4 if few else count)
        report = out / "ours.json"
        command = [scoville, "assess", path, "--data", f"csv:{out / 'adult.csv'}", "--features", HERE / "adult.toml"]
        command += ["--limit", str(rows[-1] + 1), "--norm", "l2", "--eps-ladder", "10", "--attacks", attack]
        command += ["--device", "cpu", "--report-json", report]
        subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        made = json.loads(report.read_text())
        found = dict(zip(made["samples"]["sample"], made["samples"]["distance"]))
        l2 = [found[row] for row in rows.tolist() if found[row] is not None]
        technique = next(t for t in made["techniques"] if t["budgets"])
        budget = technique["budgets"][0]
        line = {"attack": f"Scoville {attack} on {key}", "rows": len(rows), "seconds": round(budget["seconds"], 2)}
        line["queries a row"] = budget["queries"] // max(budget["samples"], 1)
        line["valid"] = {"successes": len(l2), "median l2": round(float(np.median(l2)), 4) if l2 else None}
        print(json.dumps(line), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", choices=["train", "peers", "ours"])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--scoville", default="scoville")
    args = parser.parse_args()
    if args.job == "train":
        train(args.data, args.out)
    elif args.job == "peers":
        peers(args.out, args.rows)
    else:
        ours(args.out, args.rows, args.scoville)


if __name__ == "__main__":
    main()

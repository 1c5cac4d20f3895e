#!/usr/bin/env python3
"""`scoville falsify` on the 12 sets of published verdicts, as a table of Markdown.

    VENV/bin/python benches/falsify.py target/release/scoville DATA [SEED]

Every counter-example is run again in onnxruntime, inside the box of the data, where that package can be imported.
"""

import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

try:
    import numpy
    import onnxruntime
except ImportError:
    onnxruntime = None


def floats(path, offset, count):
    with open(path, "rb") as file:
        file.seek(4 * offset)
        return struct.unpack(f"<{count}f", file.read(4 * count))


def reference_margin(folder, row, point):
    """The property's margin in onnxruntime; a point outside the box ends the run."""
    offset, count = int(row["f32_offset"]), int(row["dim"])
    lower, upper = (floats(folder / name, offset, count) for name in ("lower.f32", "upper.f32"))
    if not all(low <= x <= high for low, x, high in zip(lower, point, upper, strict=True)):
        sys.exit(f"{folder.name} row {row['row']}: the point lies outside its box")
    session = onnxruntime.InferenceSession(folder / row["onnx"], providers=["CPUExecutionProvider"])
    port = session.get_inputs()[0]
    shape = [size if isinstance(size, int) else 1 for size in port.shape]
    x = numpy.array(point, "float32").reshape(shape)
    y = session.run(None, {port.name: x})[0].ravel().astype("float64")
    labels = [int(label) for label in row["adversarial_labels"].split()]
    if row["goal"] == "targeted_argmax":
        return y[labels[0]] - max(value for j, value in enumerate(y) if j != labels[0])
    return max(y[label] for label in labels) - y[int(row["true_label"])]


def run(binary, folder, seed):
    """Counts of one set: rows, sat of sat, sat of unsat, sat of unknown, refuted by onnxruntime, seconds."""
    with open(folder / "instances.csv", newline="") as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    counts = {"sat": [0, 0], "unsat": [0, 0], "unknown": [0, 0]}
    refuted, errors, hopeful, started = 0, 0, 0.0, time.time()
    with tempfile.TemporaryDirectory() as out:
        command = [binary, "falsify", "--instances", folder / "instances.csv", "--out", out, "--device", "cpu"]
        lines = subprocess.run([*command, "--format", "ndjson", "--seed", seed], stdout=subprocess.PIPE, text=True).stdout
        seconds = time.time() - started
        for line in map(json.loads, lines.splitlines()):
            row = rows[str(line["row"])]
            found = line["verdict"] == "sat"
            counts[row["verdict"]][0] += found
            counts[row["verdict"]][1] += 1
            errors += line["verdict"] == "error"
            hopeful += line["seconds"] if found else 0
            if found and onnxruntime:
                point = floats(pathlib.Path(out) / f"{row['row']}.f32", 0, int(row["dim"]))
                refuted += not reference_margin(folder, row, point) >= 0
    if sum(total for _, total in counts.values()) != len(rows):
        sys.exit(f"{folder.name}: not every row was answered")
    return counts, refuted, errors, hopeful, seconds


def main():
    binary, data, *seed = sys.argv[1:]
    print("| set | sat found | unsat called sat | unknown called sat | errors | refuted by onnxruntime | s, those found | s, all |")
    print("|---|---|---|---|---|---|---|---|")
    total = [0] * 6 + [0.0, 0.0]
    for folder in sorted((pathlib.Path(data) / "vnncomp").iterdir()):
        counts, refuted, errors, hopeful, seconds = run(binary, folder, (seed or ["0"])[0])
        shares = [counts[verdict] for verdict in ("sat", "unsat", "unknown")]
        checked = refuted if onnxruntime else "-"
        cells = [f"{found} of {count}" for found, count in shares]
        print(f"| {folder.name} | {' | '.join(cells)} | {errors} | {checked} | {hopeful:.1f} | {seconds:.1f} |", flush=True)
        parts = [*shares[0], *shares[1], *shares[2], hopeful, seconds]
        total = [a + b for a, b in zip(total, parts, strict=True)]
    sat, sats, wrong, unsats, new, unknowns, hopeful, seconds = total
    print(f"| all | {sat} of {sats} | {wrong} of {unsats} | {new} of {unknowns} | | | {hopeful:.1f} | {seconds:.1f} |")


main()

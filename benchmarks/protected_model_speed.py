"""What protection costs a model that computes: ResNet-18, one image, one thread.

    python benchmarks/protected_model_speed.py [--rounds 21]      about 2 minutes

Every round runs each way of computing once, in turn; figures are medians, and the costs are the medians of
what a round's protected passes took more than the same round's float pass, in percent of it. The float
pass has the same dequantised weights. Writes benchmarks/results/protected_model_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from fulmen import write_artifact
from fulmen_vision import ResNet18
from fulmen_zero_space_ecc.protected.form import own_state, protect
from fulmen_zero_space_ecc.protected.model import ProtectedModel
from fulmen_zero_space_ecc.weights.data_free import best_scale
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.throttle import throttle_

RESULTS = Path(__file__).parent / "results" / "protected_model_speed.json"
BARS = {
    "scrub before every image": 1.5,
    "scrub before every 16th": 0.2,
    "decode on use": 8.0,
}  # percent, at most


def protected_resnet() -> ProtectedModel:
    """Return a ResNet-18 whose weights were put into the box, and its protected form."""
    torch.manual_seed(0)
    model = ResNet18(num_classes=1000).eval()
    placed = placement(model)
    scales = {}
    for segment in placed.segments:
        weight = model.get_parameter(segment.name)
        scale = best_scale(weight, segment.held_mask(), "layer")
        throttle_(weight, scale, segment.free)
        scales[segment.name] = float(scale)
    state, aliases = own_state(model)
    return ProtectedModel(model, protect(state, placed, scales, aliases=aliases))


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def measure(rounds: int) -> dict[str, object]:
    """Measure all ways in turn."""
    served = protected_resnet()
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    plain = ResNet18(num_classes=1000).eval()
    plain.load_state_dict(served.form.state_dict())
    times: dict[str, list[float]] = {"float": [], "decode on use": [], "scrub": []}
    served.attach()
    with torch.inference_mode():
        assert torch.equal(plain(image), served.model(image))
        for _ in range(rounds):
            times["float"].append(seconds(lambda: plain(image)))
            times["decode on use"].append(seconds(lambda: served.model(image)))
            times["scrub"].append(seconds(served.scrub))
    passes = times["float"]
    scrub = statistics.median(100 * s / f for s, f in zip(times["scrub"], passes, strict=True))
    decode = statistics.median(100 * (d - f) / f for d, f in zip(times["decode on use"], passes, strict=True))
    costs = {
        "scrub before every image": scrub,
        "scrub before every 16th": scrub / 16,
        "decode on use": decode,
    }
    return {
        "rounds": rounds,
        "load_average": os.getloadavg()[0],
        "milliseconds": {name: 1000 * statistics.median(each) for name, each in times.items()},
        "percent_of_a_pass": costs,
        "bars": {
            name: {"at_most": bar, "found": costs[name], "met": costs[name] <= bar}
            for name, bar in BARS.items()
        },
    }


def main() -> None:
    """Measure, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=21)
    torch.set_num_threads(1)
    text = json.dumps(measure(parser.parse_args().rounds), indent=1)
    print(text)
    write_artifact(RESULTS, text + "\n")


if __name__ == "__main__":
    main()

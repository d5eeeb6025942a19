"""The two pictures of a weight distribution."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fulmen import new_figure
from fulmen_zero_space_ecc.weights.distribution import BINS, VALUES, LayerDistribution, in_bin, outside, total
from fulmen_zero_space_ecc.weights.throttle import HIGH, LOW

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HELD, _FREE = "#0072B2", "#E69F00"
_BIN_COLOURS = ("#c6dbef", "#6baed6", "#08519c")  # one hue, darker where larger
_WRONG = "#D55E00"
_MOST_LAYERS = 40

Stages = Mapping[str, list[LayerDistribution]]


def histogram(stages: Stages) -> Figure:
    """Draw how often each integer occurs, held and free weights apart, one panel per stage."""
    caption = (
        "How often each 8-bit value occurs (logarithmic). Held weights give a bit to the code and must lie "
        "in [-64, 63], the shaded range; free ones may be anything."
    )
    figure: Figure
    figure, axes = new_figure(
        len(stages),
        size=(7.0, 1.2 + 2.1 * len(stages)),
        caption=caption,
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for panel, (stage, layers) in zip(axes[:, 0], stages.items(), strict=True):
        held, free = total(layers, "held"), total(layers, "free")
        panel.axvspan(LOW - 0.5, HIGH + 0.5, color=_HELD, alpha=0.08, linewidth=0)
        panel.stairs(held, np.append(VALUES, 128) - 0.5, fill=True, color=_HELD, alpha=0.75, label="held")
        panel.stairs(free, np.append(VALUES, 128) - 0.5, color=_FREE, linewidth=1.5, label="free")
        panel.set_yscale("log")
        panel.set_ylabel("weights")
        wrong = outside(held)
        verdict = f"{wrong:,} held weights outside" if wrong else "all held weights inside"
        panel.set_title(f"{stage}: {verdict}" if len(stages) > 1 else verdict, loc="left", fontsize=10)
    axes[0, 0].legend(frameon=False, loc="upper right")
    axes[-1, 0].set_xlabel("8-bit value")
    most = max(int(total(layers, place).max()) for layers in stages.values() for place in ("held", "free"))
    axes[-1, 0].set_ylim(0.6, 1.6 * most)  # 0.6: a single weight is to be seen
    axes[-1, 0].set_xlim(-129, 128)
    axes[-1, 0].set_xticks([-128, -96, -64, -32, 0, 32, 63, 96, 127])
    return figure


def layer_bars(stages: Stages) -> Figure:
    """Draw the share of each magnitude bin per layer, and how many held weights lie outside."""
    names = [layer.name for layer in next(iter(stages.values()))]
    shown = sorted(_largest(stages))
    left_out = (
        f" The {len(shown)} layers with most weights of {len(names)}." if len(shown) < len(names) else ""
    )
    caption = (
        "The share of each layer's weights whose 8-bit magnitude lies in each range; at the right, how many "
        f"held weights lie outside [-64, 63] (-64 has the magnitude 64 and lies inside).{left_out}"
    )
    size = (7.0, 1.3 + 0.3 * len(shown))
    figure: Figure
    figure, axes = new_figure(1, len(stages), size=size, caption=caption, sharey=True, squeeze=False)
    for panel, (stage, layers) in zip(axes[0], stages.items(), strict=True):
        _bars(panel, [layers[index] for index in shown])
        panel.set_title(stage if len(stages) > 1 else "", loc="left", fontsize=10)
    axes[0, 0].set_yticks(range(len(shown)), [_shortened(names[index]) for index in shown])
    axes[0, 0].set_ylim(len(shown) - 0.4, -1.1)  # the first layer at the top, below a heading
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, title="magnitude")
    return figure


def _bars(panel: Any, layers: list[LayerDistribution]) -> None:
    sizes = np.array([(layer.held + layer.free).sum() for layer in layers])
    left = np.zeros(len(layers))
    for name, colour in zip(BINS, _BIN_COLOURS, strict=True):
        shares = np.array([in_bin(layer.held + layer.free, name) for layer in layers]) / sizes * 100
        panel.barh(range(len(layers)), shares, left=left, color=colour, height=0.7, label=name)
        left += shares
    panel.text(101.5, -0.75, "outside", fontsize=9, color="#555555")
    for row, layer in enumerate(layers):
        wrong = outside(layer.held)
        panel.text(
            101.5,
            row,
            f"{wrong:,}",
            va="center",
            fontsize=9,
            color=_WRONG if wrong else "#555555",
            clip_on=False,
        )
    panel.set_xlim(0, 100)
    panel.set_xlabel("% of weights")
    panel.grid(axis="y", visible=False)
    panel.tick_params(axis="y", length=0)


def _largest(stages: Stages) -> list[int]:
    """Return the indices of the layers with most weights, as many as a picture can show."""
    sizes = [int((layer.held + layer.free).sum()) for layer in next(iter(stages.values()))]
    return sorted(range(len(sizes)), key=lambda index: -sizes[index])[:_MOST_LAYERS]


def _shortened(name: str, longest: int = 32) -> str:
    return name if len(name) <= longest else f"…{name[1 - longest :]}"

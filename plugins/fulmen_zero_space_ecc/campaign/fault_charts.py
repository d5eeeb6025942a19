"""The two pictures of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fulmen import new_figure
from fulmen_zero_space_ecc.campaign.running import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARKERS = "osD^vP*Xh<>d"
_LINES = ("-", "--", ":")
_MOST_LAYERS = 40


def accuracy(cells: Sequence[Cell], reference: float, confidence: float) -> Figure:
    """Draw mean accuracy with its interval over the rate, one line per scheme."""
    caption = (
        f"Mean accuracy under faults with its {confidence:.0%} interval, by the share of stored bits hit. "
        "The dotted line is the unprotected network without faults."
    )
    figure: Figure
    figure, panel = new_figure(size=(7.0, 4.2), caption=caption)
    labels = list(dict.fromkeys(cell.scheme for cell in cells))
    rates = sorted({cell.rate for cell in cells})
    logarithmic = len(rates) > 1 and rates[-1] / (rates[0] or rates[1]) >= 20
    for index, label in enumerate(labels):
        mine = sorted((cell for cell in cells if cell.scheme == label), key=lambda cell: cell.rate)
        intervals = [cell.interval(confidence) for cell in mine]
        means = np.array([100 * i.mean for i in intervals])
        errors = np.array([[100 * (i.mean - i.low), 100 * (i.high - i.mean)] for i in intervals]).T
        panel.errorbar(
            [cell.rate for cell in mine],
            means,
            yerr=errors,
            label=label,
            marker=_MARKERS[index % len(_MARKERS)],
            markersize=5,
            # Seven colours for up to twelve schemes: the dash and the marker tell the others apart.
            linestyle=_LINES[index // 7 % len(_LINES)],
            linewidth=2.4 if label == "in_place" else 1.3,
            zorder=4 if label == "in_place" else 3,
            capsize=2.5,
        )
    panel.axhline(100 * reference, color="#555555", linestyle=":", linewidth=1)
    if logarithmic:
        panel.set_xscale("symlog", linthresh=rates[1]) if rates[0] == 0 else panel.set_xscale("log")
    panel.set_xlabel("share of stored bits hit")
    panel.set_ylabel("accuracy (%)")
    figure.legend(loc="outside right upper", frameon=False, fontsize=9)
    return figure


def vulnerability(rows: Sequence[Mapping[str, Any]], order: Sequence[str]) -> Figure:
    """Draw the mean drop for each bit of each layer, the layers in this order."""
    largest: dict[str, int] = {row["layer"]: row["weights"] for row in rows}
    shown = sorted(largest, key=lambda layer: -largest[layer])[:_MOST_LAYERS]
    layers = [layer for layer in order if layer in shown]
    bits = sorted({row["bit"] for row in rows}, reverse=True)
    drops = np.full((len(layers), len(bits)), np.nan)
    for row in rows:
        if row["layer"] in layers:
            drops[layers.index(row["layer"]), bits.index(row["bit"])] = 100 * row["drop_mean"]
    left_out = f" The {len(layers)} largest of {len(largest)} layers." if len(layers) < len(largest) else ""
    caption = (
        f"Points of accuracy lost when {rows[0]['rate']:.2g} of one bit of one layer's weights flip, "
        f"unprotected, mean of {rows[0]['trials']} trials.{left_out}"
    )
    figure: Figure
    figure, panel = new_figure(size=(7.0, 1.6 + 0.32 * len(layers)), caption=caption)
    picture = panel.imshow(drops, aspect="auto", cmap="YlOrRd", vmin=0)
    panel.set_xticks(range(len(bits)), [str(bit) for bit in bits])
    panel.set_yticks(range(len(layers)), layers)
    panel.set_xlabel("bit")
    panel.grid(visible=False)
    if len(bits) <= 16:
        for (y, x), value in np.ndenumerate(drops):
            dark = value > 0.6 * max(float(np.nanmax(drops)), 1e-9)
            panel.text(
                x,
                y,
                f"{round(value, 1) + 0.0:.1f}",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else "#333333",
            )
    figure.colorbar(picture, ax=panel, label="points lost")
    return figure

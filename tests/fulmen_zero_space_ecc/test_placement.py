"""One function says which weights are held; here it meets the definition of its layouts, byte by byte."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from wot_toys import LAYOUTS, ToyNet

from fulmen_zero_space_ecc.weights.placement import placement

MODELS = {
    "toy": ToyNet,
    "one weight": lambda: nn.Linear(1, 1),
    "seven": lambda: nn.Linear(7, 1),
    "one block": lambda: nn.Linear(8, 1),
    "one line": lambda: nn.Linear(64, 1),
    "one line and a weight": lambda: nn.Linear(5, 13),
    "odd offsets": lambda: nn.Sequential(nn.Linear(3, 1), nn.Linear(1, 5), nn.Linear(5, 1), nn.Linear(1, 3)),
    "every kind": lambda: nn.ModuleList(
        [
            nn.Conv1d(4, 6, 3, groups=2),
            nn.Conv2d(3, 3, 3, groups=3),
            nn.Conv3d(1, 2, 3),
            nn.ConvTranspose1d(4, 6, 3, groups=2),
            nn.ConvTranspose2d(4, 2, 3),
            nn.ConvTranspose3d(2, 2, 2),
            nn.Linear(5, 3),
            nn.Embedding(7, 3),
        ]
    ),
}


def free_bytes_by_definition(layout: str, size: int) -> set[int]:
    """Build every block and take its eighth byte."""
    arena = np.arange(size)
    blocks = arena.reshape(-1, 8) if layout == "paper" else arena.reshape(8, size // 8).T
    return {int(block[7]) for block in blocks}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODELS)
def test_exactly_the_eighth_byte_of_each_block_is_free(name, layout):
    placed = placement(MODELS[name](), layout)
    free = free_bytes_by_definition(layout, placed.size)

    for segment in placed.segments:
        mask = segment.held_mask().flatten()
        expected = [segment.offset + i not in free for i in range(segment.numel)]
        assert mask.tolist() == expected
        assert segment.num_held == sum(expected)
        assert segment.num_free == segment.numel - sum(expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", MODELS)
def test_the_arena_has_no_gap_and_at_most_63_bytes_of_padding(name, layout):
    model = MODELS[name]()

    placed = placement(model, layout)

    ends = [0, *(segment.offset + segment.numel for segment in placed.segments)]
    assert [segment.offset for segment in placed.segments] == ends[:-1]
    assert placed.numel == sum(
        p.numel() for n, p in model.named_parameters() if n.endswith("weight") and p.dim() > 1
    )
    assert placed.size % 64 == 0
    assert 0 <= placed.padding <= 63


def test_weights_stand_in_the_order_of_the_modules_in_contiguous_order():
    segments = placement(ToyNet()).segments

    assert [segment.name for segment in segments] == ["stem.0.weight", "depthwise.weight", "head.weight"]
    assert [segment.offset for segment in segments] == [0, 108, 216]


def test_the_memory_format_does_not_matter():
    model = nn.Conv2d(6, 5, 3)
    assert placement(model, "paper") == placement(model.to(memory_format=torch.channels_last), "paper")


def test_a_tied_weight_is_placed_once_with_both_layers():
    model = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    model["head"].weight = model["embed"].weight

    (segment,) = placement(model).segments

    assert segment.name == "embed.weight"
    assert segment.layers == ("embed", "head")


def test_a_single_layer_is_a_model_too():
    (segment,) = placement(nn.Linear(4, 4)).segments
    assert segment.name == "weight"


def test_what_is_ignored_is_left_out_with_all_that_is_below_it():
    model = nn.ModuleDict({"student": ToyNet(), "teacher": ToyNet()})

    names = [segment.name for segment in placement(model, ignore=["teacher"]).segments]

    assert names == ["student.stem.0.weight", "student.depthwise.weight", "student.head.weight"]


class Positioned(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(4, 4)
        self.position = nn.Parameter(torch.zeros(1, 4))


def test_an_ignored_parameter_is_no_obstacle():
    assert len(placement(Positioned(), ignore=["position"]).segments) == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2)), r"layer '1' \(LSTM\).*'1.weight_ih_l0'.*ignore"),
        (nn.Sequential(nn.MultiheadAttention(4, 2)), r"layer '0' \(MultiheadAttention\).*in_proj_weight"),
        (Positioned(), r"the model itself \(Positioned\): parameter 'position'"),
        (nn.Sequential(nn.LazyLinear(3)), r"layer '0' \(LazyLinear\): not initialised"),
        (
            nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 3))),
            r"layer '0'.*re-parametrised",
        ),
        (nn.Sequential(nn.Conv2d(1, 1, 3, dtype=torch.complex64)), r"layer '0' \(Conv2d\).*complex64"),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)), "no convolution, linear or embedding"),
    ],
)
def test_what_cannot_be_protected_is_refused_by_name(model, message):
    with pytest.raises(ValueError, match=message):
        placement(model)


def test_unknown_names_and_layouts_are_refused():
    with pytest.raises(ValueError, match=r"ignore: .*'techer'"):
        placement(ToyNet(), ignore=["techer"])
    with pytest.raises(ValueError, match="layout 'planes' is unknown; choose one of interleaved, paper"):
        placement(ToyNet(), "planes")

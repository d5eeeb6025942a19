"""Trials: the fast way gives what the slow way gives, and leaves every bit as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fault_toys import Classifier, batches, image, trained
from torch import nn

from fulmen_zero_space_ecc.campaign.faults import Bursts, Exact, Independent, Rows, StuckAt
from fulmen_zero_space_ecc.campaign.memory_image import memory_image
from fulmen_zero_space_ecc.campaign.replay import Replayer
from fulmen_zero_space_ecc.campaign.resident import Resident
from fulmen_zero_space_ecc.campaign.schemes import SCHEMES
from fulmen_zero_space_ecc.campaign.trial import Workbench
from fulmen_zero_space_ecc.training.quantized_model import QuantizedModel
from fulmen_zero_space_ecc.weights.placement import placement
from fulmen_zero_space_ecc.weights.saved_state import saved_state

MODELS = [Independent(), Exact(), Bursts(4), Rows(64), StuckAt()]
FORMATS = [
    ("int8", "interleaved"),
    ("int8", "paper"),
    ("float32", "interleaved"),
    ("bfloat16", "interleaved"),
]


@pytest.fixture(scope="module", params=FORMATS, ids=lambda case: "-".join(case))
def resident(request):
    return Resident(image(*request.param), batches(2, 24))


def labels_of(resident):
    arena = resident.image.arena()
    return [
        label
        for name, kind in SCHEMES.items()
        if arena.word in kind.words and (arena.held is not None or not kind.needs_box)
        for label in (name, *(f"{name}+{policy}" for policy in kind.policies[1:]))
    ]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_the_fast_way_gives_what_the_slow_way_gives(resident, model):
    bench = Workbench(resident, 7, model, resident.image.target())
    before = resident.weights()
    for label in labels_of(resident):
        for rate, trials in (
            ((2e-4, 1), (2e-3, 2), (0.03, 1)) if model.name == "independent" else ((5e-3, 1),)
        ):
            fast = [bench.trial(label, rate, trial) for trial in range(trials)]
            slow = [bench.slow_trial(label, rate, trial) for trial in range(trials)]
            assert fast == slow, (label, rate)
            resident.load(resident.image.content)
            assert all(torch.equal(weight, before[name]) for name, weight in resident.weights().items())


def test_all_schemes_meet_the_same_faults_in_the_weights_bits(resident):
    bench = Workbench(resident, 7, Independent(), resident.image.target())
    for rate in (1e-3, 1e-2):
        hit = set()
        for label in labels_of(resident):
            scheme = bench.scheme(label)
            shared, faults = bench.faults(scheme, rate, 3)
            own = faults.positions[faults.positions < 8 * scheme.size]
            hit.add((own.tobytes(), shared.digest(), bench.trial(label, rate, 3).faults))
            # The check bits are hit as well, at the same rate.
            expected = rate * 8 * scheme.extra_bytes
            assert abs(len(faults.positions) - len(own) - expected) < 5 * (expected + 1) ** 0.5
        assert len(hit) == 1


@pytest.mark.parametrize("scales", ["layer", "channel"])
def test_outcomes_are_those_of_the_model_that_wot_trained(scales):
    """Without faults, the resident model classifies as the fake-quantised one that was trained."""
    model, checkpoint = trained("interleaved", scales)
    frozen = saved_state(checkpoint)["frozen"]
    placed = placement(model)
    scores = _quantised_scores(model, placed, frozen, scales)
    resident = Resident(image(scales=scales), batches())
    correct = sum(
        int((s.argmax(1) == labels).sum()) for s, (_, labels) in zip(scores, batches(), strict=True)
    )
    assert resident.clean_accuracy == correct / resident.images


def _quantised_scores(model, placed, frozen, scales):
    quantized = QuantizedModel(
        model, placed, activations=True, activation_decay=0.999, device=torch.device("cpu"), scales=scales
    )
    quantized.load_state_dict(frozen)
    quantized.train(False)
    quantized.attach()
    try:
        with torch.no_grad():
            return [model(images) for images, _ in batches()]
    finally:
        quantized.detach()


def test_weights_come_back_after_an_error(resident, monkeypatch):
    bench = Workbench(resident, 7, Independent(), resident.image.target())
    resident.load(resident.image.content)
    before = resident.weights()
    stored = bench.scheme("none").stored.copy()
    expected = bench.trial("none", 0.05, 0)
    bench = Workbench(resident, 7, Independent(), resident.image.target())

    def fails(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Replayer, "run", fails)
        with pytest.raises(KeyboardInterrupt):
            bench.trial("none", 0.05, 0)
        with pytest.raises(KeyboardInterrupt):
            bench.slow_trial("none", 0.05, 0)

    assert all(torch.equal(weight, before[name]) for name, weight in resident.weights().items())
    assert (bench.scheme("none").stored == stored).all()
    assert bench.trial("none", 0.05, 0) == expected


def test_the_users_model_is_never_touched():
    model, checkpoint = trained("interleaved")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    bench_image = memory_image(model, placement(model), "int8", saved_state(checkpoint)["frozen"])
    resident = Resident(bench_image, batches())
    bench = Workbench(resident, 7, Independent(), bench_image.target())
    with resident.changed(np.array([0, 5, 9]), np.array([1, 2, 3], np.uint8)) as layers:
        assert layers == {"network.stem.0"}
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    bench.trial("none", 0.1, 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all("forward" not in module.__dict__ for module in model.modules())


def test_a_changed_byte_changes_the_weight_that_it_belongs_to(resident):
    held = resident.image
    for segment in held.placement.segments:
        start, stop = held.span(segment)
        for byte in (start, stop - 1):
            value = np.array([held.content[byte] ^ 0x81], np.uint8)
            content = held.content.copy()
            content[byte] = value[0]
            resident.load(held.content)
            before = resident.weights()
            with resident.changed(np.array([byte]), value) as layers:
                after = resident.weights()
            assert layers == set(segment.layers)
            differ = {n for n in after if not torch.equal(after[n], before[n])}
            assert differ == {segment.name}
            expected = torch.from_numpy(held.values(segment, content).copy()).view(segment.shape)
            assert torch.equal(after[segment.name], expected)


def test_no_forward_pass_where_the_decoded_weights_are_the_clean_ones(resident, monkeypatch):
    bench = Workbench(resident, 7, Independent(), resident.image.target())
    bench.clean_accuracy("triple")
    monkeypatch.setattr(Replayer, "run", lambda *_: pytest.fail("a forward pass"))
    assert bench.trial("triple", 1e-5, 0).accuracy == bench.clean_accuracy("triple")
    assert bench.trial("checksum_reload", 1e-3, 0).accuracy == bench.clean_accuracy("checksum_reload")


def test_scores_that_are_no_numbers_are_wrong():
    resident = Resident(image("float32"), batches())
    head = resident.image.placement.segments[-1]
    start, stop = resident.image.span(head)
    nan = np.tile(np.array([np.nan], np.float32).view(np.uint8), (stop - start) // 4)
    with resident.changed(np.arange(start, stop), nan) as layers:
        assert resident.accuracy(layers) == 0


def test_targets_are_hit_and_all_else_spared(resident):
    target = resident.image.target(["network.depthwise"], [0])
    bench = Workbench(resident, 7, Independent(), target)
    for label in ("none", "ecc_72_64"):
        _, faults = bench.faults(bench.scheme(label), 0.5, 0)
        start, stop = resident.image.span(resident.image.placement.segments[1])
        assert len(faults.positions) > 20
        assert (faults.positions // 8 >= start).all()
        assert (faults.positions // 8 < stop).all()
        assert set(faults.positions % (8 * resident.image.word)) == {0}


def test_faults_in_the_padding_are_nobodys(resident):
    size, weights = len(resident.image.content), resident.image.placement.numel * resident.image.word
    for where in (np.arange(weights, size), np.array([size - 1])):
        with resident.changed(where, np.full(len(where), 255, np.uint8)) as layers:
            assert layers == set()
            assert resident.accuracy(layers) == resident.accuracy() == resident.clean_accuracy


class Viewing(nn.Module):
    """Takes it for granted that its activations lie with the channels first."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 4, 3), nn.Linear(144, 10)

    def forward(self, images):
        x = self.conv(images)
        return self.head(x.view(len(x), -1))


def test_models_that_need_their_channels_first_have_them_so():
    model = Classifier(Viewing()).eval()
    resident = Resident(memory_image(model, placement(model), "float32"), batches(1))
    bench = Workbench(resident, 7, Independent(), resident.image.target())
    assert [bench.trial("none", 1e-3, t) for t in range(4)] == [
        bench.slow_trial("none", 1e-3, t) for t in range(4)
    ]
    with torch.no_grad():
        images, labels = batches(1)[0]
        assert resident.clean_accuracy == (model(images).argmax(1) == labels).float().mean().item()

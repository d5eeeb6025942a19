"""What a network (an nn.Module) owes its users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from fulmen.testing.comparing import first_difference
from fulmen.testing.component import ComponentConformance
from fulmen.testing.training import not_finite, weights_of


class NetworkConformance(ComponentConformance):
    """Tests of a network; derive from it and name the ``component``.

    Attributes:
        input_shape: Of the random input that it is given; override ``make_input`` for any other.
        output_shape: Of what it must return; None: anything for as many items.
    """

    kind = "network"
    input_shape: tuple[int, ...] = (4, 1, 8, 8)
    output_shape: tuple[int, ...] | None = None

    def make_input(self) -> Any:
        """Return a batch, the same each time."""
        return torch.rand(self.input_shape, generator=torch.Generator().manual_seed(1))

    def make_seeded(self, seed: int = 1) -> Any:
        """Return a fresh network of a seed."""
        torch.manual_seed(seed)
        return self.make()

    def test_its_output_has_the_right_shape(self) -> None:
        """In training and in evaluation it returns finite values of the stated shape."""
        network, batch = self.make_seeded(), self.make_input()
        for output in (network.train()(batch), network.eval()(batch)):
            assert tuple(output.shape) == (self.output_shape or (len(batch), *output.shape[1:]))
            assert torch.isfinite(output).all()

    def test_it_learns(self) -> None:
        """A step down the gradient changes its parameters, all of them to finite values."""
        network = self.make_seeded().train()
        before = weights_of(network)
        network(self.make_input()).square().mean().backward()
        torch.optim.SGD(network.parameters(), lr=0.1).step()
        after = weights_of(network)

        assert not_finite(after) == []
        assert any(not torch.equal(before[name], after[name]) for name, _ in network.named_parameters())

    def test_the_same_seed_makes_the_same_weights(self) -> None:
        """Whoever repeats a run starts from the same network."""
        assert first_difference(weights_of(self.make_seeded()), weights_of(self.make_seeded())) is None

    def test_its_weights_load_back(self, tmp_path: Path) -> None:
        """Its ``state_dict`` loads from a file as data, strictly, and the output is the same."""
        first, second, batch = self.make_seeded(1), self.make_seeded(2), self.make_input()
        first.train()(batch)  # so that buffers, such as a normalisation's, are not as they were made
        torch.save(first.state_dict(), tmp_path / "weights.pt")
        second.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))

        assert first_difference(first.eval()(batch), second.eval()(batch)) is None

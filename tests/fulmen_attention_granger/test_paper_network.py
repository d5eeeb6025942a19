"""The paper's network attends where it may, and its read-out is a share of attention."""

from __future__ import annotations

import numpy as np
import torch

from fulmen_attention_granger.paper_network import PaperDesign, PaperNetwork, paper_readout


def small(variables: int = 4) -> PaperNetwork:
    torch.manual_seed(0)
    return PaperNetwork(PaperDesign(variables, context=3, width=12, heads=2, head_width=4, hidden=16)).eval()


def test_the_paper_s_sizes_give_the_paper_s_checkpoint():
    """1.08 MB of float32 are .26 M parameters."""
    count = sum(parameter.numel() for parameter in PaperNetwork(PaperDesign(10)).parameters())

    assert 0.25e6 < count < 0.28e6


def test_asking_for_weights_changes_no_forecast():
    network, context = small(), torch.randn(5, 3, 4, generator=torch.Generator().manual_seed(0))
    plain, given = network(context)[0], network(context, weights=True)

    torch.testing.assert_close(plain, given[0])
    torch.testing.assert_close(given[1].sum((3, 4)), torch.ones(5, 2, 4))


def test_tokens_of_one_neuron_hold_nothing_of_another():
    """Before the global attention, a neuron's memory depends on its own values alone."""
    network, context = small(), torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    changed = context.clone()
    changed[:, :, 1] += 1
    seen = []
    network.norms[2].register_forward_hook(
        lambda module, given, output: seen.append(output.view(2, 4, 3, -1))
    )
    network(context), network(changed)

    torch.testing.assert_close(seen[0][:, [0, 2, 3]], seen[1][:, [0, 2, 3]], rtol=0, atol=0)
    assert (seen[0][:, 1] - seen[1][:, 1]).abs().max() > 1e-3


def test_rows_of_the_matrix_sum_to_one_with_their_diagonal():
    network, context = small(), torch.randn(9, 3, 4, generator=torch.Generator().manual_seed(0))
    matrix = paper_readout(network, context, batch=4)
    given = network(context, weights=True)[1].sum((0, 1, 4))
    own = (given.diagonal() / given.sum(1)).detach().numpy()

    assert np.allclose(matrix.sum(1) + own, 1)
    assert (matrix.diagonal() == 0).all()

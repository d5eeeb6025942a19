"""Folds batch normalisation into the convolution before it, without a change of names or shapes.

In eval mode, ``gamma * (W x + b - mean) / sqrt(var + eps) + beta`` is one convolution with weights
``W * k`` and bias ``(b - mean) * k + beta``, where ``k = gamma / sqrt(var + eps)``. The module of the
normalisation stays, so that state dicts keep their keys: its statistics become 0 and 1 and its
weight ``sqrt(1 + eps)``, which is the identity; its bias carries the folded bias where the
convolution has none. (0 and 1 are also what a reset of the statistics gives, as stochastic weight
averaging does: the identity survives it.)

Source: Jacob et al., CVPR 2018 (arXiv:1712.05877), section 3.2, without the live statistics.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd


@torch.no_grad()
def fold_(convolution: _ConvNd, normalisation: _BatchNorm) -> None:
    """Fold a batch normalisation into the convolution before it, in place.

    Args:
        convolution: With or without groups, bias, transposition.
        normalisation: Affine, with running statistics; it must take the convolution's output, and
            nothing else may.

    Afterwards both together compute, in eval mode, what they computed in eval mode before, up to
    rounding. Folding again changes nothing.
    """
    gamma, beta, mean, variance = _statistics(normalisation)
    factor = gamma / torch.sqrt(variance + normalisation.eps)
    convolution.weight.mul_(_per_output(convolution, factor))
    bias = convolution.bias
    old_bias = torch.zeros_like(mean) if bias is None else bias
    folded_bias = (old_bias - mean) * factor + beta
    pin_(convolution, normalisation)
    (normalisation.bias if bias is None else bias).copy_(folded_bias)


@torch.no_grad()
def pin_(convolution: _ConvNd, normalisation: _BatchNorm) -> None:
    """Set a folded normalisation to the identity, but for a bias that it carries for the convolution."""
    _, beta, mean, variance = _statistics(normalisation)
    mean.zero_()
    variance.fill_(1)
    normalisation.weight.copy_(torch.sqrt(variance + normalisation.eps))
    if convolution.bias is not None:
        beta.zero_()


def pinned_parameters(convolution: _ConvNd, normalisation: _BatchNorm) -> list[Tensor]:
    """Return the parameters of a folded normalisation that must not learn."""
    return [normalisation.weight] if convolution.bias is None else [normalisation.weight, normalisation.bias]


def has_statistics(normalisation: _BatchNorm) -> bool:
    """Whether a normalisation has seen data: without, folding it takes it away unlearned."""
    count = normalisation.num_batches_tracked
    if count is not None and int(count) > 0:
        return True
    _, _, mean, variance = _statistics(normalisation)
    return bool((mean != 0).any() or (variance != 1).any())


def forget_moments_(optimizer: torch.optim.Optimizer, parameters: list[Tensor]) -> None:
    """Zero what an optimiser remembers of parameters that folding has moved.

    Momenta of the weights as they were have neither the scale nor the meaning of the new ones. The
    step counts are zeroed as well, so that Adam corrects its bias as at the start.
    """
    for parameter in parameters:
        for value in optimizer.state.get(parameter, {}).values():
            if isinstance(value, Tensor):
                value.zero_()


def _statistics(normalisation: _BatchNorm) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert variance is not None
    return normalisation.weight, normalisation.bias, mean, variance


def _per_output(convolution: _ConvNd, factor: Tensor) -> Tensor:
    """Shape one factor per output channel so that it multiplies the weight."""
    kernel = (1,) * len(convolution.kernel_size)
    if not convolution.transposed:
        return factor.view(-1, 1, *kernel)
    # (in, out / groups, ...): row i belongs to group i // (in / groups), which has its own outputs.
    per_group = factor.view(convolution.groups, 1, -1)
    rows = per_group.expand(-1, convolution.in_channels // convolution.groups, -1)
    return rows.reshape(convolution.in_channels, -1, *kernel)

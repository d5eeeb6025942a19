"""A network as one would ship it: exported, its normalisations folded into the convolutions before them."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_weights

from fulmen.errors import UserError

CONVOLUTIONS = {
    torch.ops.aten.conv1d.default,
    torch.ops.aten.conv2d.default,
    torch.ops.aten.conv3d.default,
}


def deployed(network: nn.Module, inputs: Tensor) -> nn.Module:
    """Return what `torch.export` makes of a network for inputs of one shape, folded.

    Args:
        network: Left as it is.
        inputs: Its only argument, a batch.

    Raises:
        UserError: the network cannot be exported; says what torch says.
    """
    network = copy.deepcopy(network).eval()
    try:
        exported = torch.export.export(network, (inputs,)).module(check_guards=False)
    except Exception as error:  # torch.export raises nearly anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"cost latency: deployed: {type(network).__name__} cannot be exported by torch.export: {reason}; "
            "set deployed to false, or make it exportable."
        ) from error
    assert isinstance(exported, GraphModule)
    return fold(exported)


def fold(exported: GraphModule) -> GraphModule:
    """Fold each batch normalisation into the convolution that it alone follows, in place.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference", CVPR 2018, section 3.2.
    """
    for number, node in enumerate(list(exported.graph.nodes)):
        if node.target is torch.ops.aten.batch_norm.default and (before := _alone_before(node)):
            _fold(exported, before, node, f"folded_{number}")
    exported.graph.eliminate_dead_code()
    exported.recompile()
    return exported


def _alone_before(norm: Node) -> Node | None:
    """Return the convolution whose result nobody but this normalisation uses, by statistics that it keeps."""
    before, mean, training = norm.args[0], norm.args[3], norm.args[5]
    if training or mean is None or not isinstance(before, Node) or before.target not in CONVOLUTIONS:
        return None
    weights_known = all(_is_kept(one) for one in (*before.args[1:3], *norm.args[1:5]))
    return before if weights_known and len(before.users) == 1 else None


def _is_kept(argument: object) -> bool:
    return argument is None or (isinstance(argument, Node) and argument.op == "get_attr")


def _fold(exported: GraphModule, convolution: Node, norm: Node, name: str) -> None:
    weight, bias = (_kept(exported, one) for one in (*convolution.args, None)[1:3])
    scale, shift, mean, variance = (_kept(exported, one) for one in norm.args[1:5])
    folded = fuse_conv_bn_weights(weight, bias, mean, variance, norm.args[7], scale, shift)  # type: ignore[arg-type]
    new = []
    with exported.graph.inserting_before(convolution):
        for kind, value in zip(("weight", "bias"), folded, strict=True):
            exported.register_parameter(f"{name}_{kind}", value)
            new.append(exported.graph.get_attr(f"{name}_{kind}"))
    convolution.args = (convolution.args[0], *new, *convolution.args[3:])
    norm.replace_all_uses_with(convolution)
    exported.graph.erase_node(norm)


def _kept(exported: GraphModule, argument: object) -> Tensor | None:
    """Return the parameter or buffer that a node stands for, if any."""
    if not isinstance(argument, Node):
        return None
    found: Any = exported
    for part in str(argument.target).split("."):
        found = getattr(found, part)
    kept: Tensor = found
    return kept

"""What becomes of a block with two wrong bits, which the code detects and cannot correct.

- ``leave``: it stays as it is; most of its 64 bits are right. The default.
- ``mmse``: the expected weights, given all that could have happened (concealment.py). Best without a
  second copy.
- ``golden``: read again from a copy that is trusted, such as the file.
- ``raise``: an error, for whoever would rather have no answer than a wrong one.
- ``zero``: all weights of the block become 0, as the paper has it. Harmful: 8 weights are lost where two
  bits were wrong; kept for comparison.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from fulmen_zero_space_ecc.code import arena, rows
from fulmen_zero_space_ecc.code.concealment import log_priors, posterior_means, value_groups

if TYPE_CHECKING:
    from fulmen_zero_space_ecc.protected.form import ProtectedForm

Policy = Literal["leave", "mmse", "golden", "raise", "zero"]
POLICIES: tuple[str, ...] = get_args(Policy)


class UncorrectableError(Exception):
    """Two bits of one block are wrong, and the policy is ``raise``."""


def mend_(
    form: ProtectedForm,
    blocks: NDArray[np.int64],
    pairs: NDArray[np.int64],
    policy: Policy,
    golden: ProtectedForm | None = None,
) -> None:
    """Do with detected blocks of weights and pairs of floats what the policy says, in place.

    Args:
        form: The scrubbed form.
        blocks: The detected blocks of its payload.
        pairs: The detected words of its floats; ``mmse`` leaves them, as nothing is known of their values.
        policy: One of `POLICIES`.
        golden: Where ``golden`` reads.

    Raises:
        UncorrectableError: the policy is ``raise``.
        ValueError: the policy is ``golden`` without a golden form, or it is unknown.
    """
    if policy == "leave":
        return
    if policy == "raise":
        raise UncorrectableError(
            f"{len(blocks)} blocks of weights and {len(pairs)} pairs of floats have two wrong bits."
        )
    if policy == "golden":
        if golden is None:
            raise ValueError("policy 'golden' needs a copy to read from; give one, or choose another policy.")
        _copy_(form, golden, blocks, pairs)
    elif policy in {"zero", "mmse"}:
        where = arena.block_bytes(blocks, form.placed.size, form.placed.layout)
        payload = form.payload.numpy()
        if len(blocks):
            weights = np.zeros_like(payload[where]) if policy == "zero" else _expected(form, where)
            payload[where] = rows.encode(weights)
        if policy == "zero":
            form.floats.numpy().view(np.uint64)[pairs] = 0
            if form.method == "secded72":
                form.spare.numpy()[pairs] = 0
    else:
        raise ValueError(f"policy {policy!r} is unknown; choose one of {', '.join(POLICIES)}.")


def _copy_(
    form: ProtectedForm, golden: ProtectedForm, blocks: NDArray[np.int64], pairs: NDArray[np.int64]
) -> None:
    where = arena.block_bytes(blocks, form.placed.size, form.placed.layout)
    form.payload.numpy()[where] = golden.payload.numpy()[where]
    form.floats.numpy().view(np.uint64)[pairs] = golden.floats.numpy().view(np.uint64)[pairs]
    spare = form.spare.numpy()
    if spare.size:
        beside = golden.spare.numpy()
        spare[pairs] = beside[pairs]


def _expected(form: ProtectedForm, where: NDArray[np.int64]) -> NDArray[np.int8]:
    """Return the expected weights of blocks; each byte follows the values of its tensor's other blocks."""
    payload, segments = form.payload.numpy(), form.placed.segments
    values = arena.decode(payload, form.placed.layout).view(np.uint8)
    trusted = np.ones(form.placed.size, np.bool_)
    trusted[where] = False
    ranges = [(segment.offset, segment.offset + segment.numel) for segment in segments]
    groups = value_groups(ranges, form.placed.size, form.placed.layout)
    priors = log_priors(values, groups, trusted)
    return posterior_means(payload[where].view(np.uint8), groups[where], priors).view(np.int8)

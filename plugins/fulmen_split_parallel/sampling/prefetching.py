"""Asking for memory before it is needed.

A pass over random places of a large array waits for memory at each. Asking for the place that is `AHEAD`
iterations away costs one instruction and lets some thirty waits overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numpy.typing import NDArray

AHEAD = 32  # iterations; 16 to 64 measure alike
_tools: Any = cgutils  # untyped
_READ, _KEEP, _DATA = 0, 3, 1  # llvm.prefetch: for reading, in every cache level, of data


def _compile_prefetch(typing_context: Any, array: Any, index: Any) -> Any:
    """Type ``prefetch(array, index)`` and say how it is made."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, arguments[0])
        place = _tools.get_item_pointer(context, builder, kind, view, [arguments[1]], wraparound=False)
        pointer, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        declared = ir.FunctionType(ir.VoidType(), [pointer, word, word, word])
        function = _tools.get_or_insert_function(builder.module, declared, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(place, pointer), word(_READ), word(_KEEP), word(_DATA)])
        return context.get_dummy_value()

    return types.void(array, types.intp), generate


prefetch = cast(Callable[[NDArray[Any], int], None], intrinsic(_compile_prefetch))
"""In compiled code: start fetching ``array[index]`` of a 1-dimensional array, an index within it."""

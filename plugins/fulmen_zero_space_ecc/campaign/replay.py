"""Forward passes that begin where the network first differs from one that ran before.

A recording pass notes the modules in the order of their calls, and keeps what some of them returned.
A later pass runs the same code; a module that returned before the first changed layer began cannot
return anything else than it did, so that its call is answered with what was kept. Nothing is assumed
about the model but that it calls the same modules in the same order each time, which is checked, and
that what a module returns is used through its return value, which is tried out.

Which outputs are worth keeping is seen while recording: only those that something reads which is
not itself skipped. For a chain of layers that is one each, the layer's input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_ROOT = -1  # stands for the model's own forward among the indices of calls


@dataclass
class _Call:
    """One call of a module.

    Attributes:
        module: Which module.
        index: Its place in the order in which calls begin.
        end: The index of the first call after it and all within it.
        output: What it returned; None if that is no single tensor.
        copy: The same as it was at the return; later operations may write into it.
        version: Its version counter at the return.
        readers: The innermost calls in which operations read the output.
    """

    module: str
    index: int
    end: int = -1
    output: Tensor | None = None
    copy: Tensor | None = None
    version: int = 0
    readers: set[int] = field(default_factory=set)

    @property
    def overwritten(self) -> bool:
        """Whether the output has been written into since."""
        return self.output is not None and self.output._version != self.version

    @property
    def value(self) -> Tensor:
        """What it returned, as it was then."""
        value = self.copy if self.overwritten else self.output
        assert value is not None
        return value


class Replay:
    """One recorded forward pass of one batch.

    Args:
        calls: All calls in order.
        cuts: The calls from which a pass can begin, in order.
        output: What the whole pass returned.

    Attributes:
        bytes: How much memory the kept outputs take.
    """

    def __init__(self, calls: list[_Call], cuts: list[int], output: Tensor) -> None:
        self.modules = [call.module for call in calls]
        self.ends = [call.end for call in calls]
        self.cuts = cuts
        self.output = output
        self.kept: dict[int, Tensor] = {}
        self.overwritten: set[int] = set()
        self._first = {name: index for index, name in reversed(list(enumerate(self.modules)))}
        for cut in cuts:
            skipped = _skipped(calls, cut)
            for call in skipped:
                if call.index in _read(skipped):
                    self.kept[call.index] = call.value
                    if call.overwritten:
                        self.overwritten.add(call.index)
        self.bytes = _bytes(self.kept.values())
        for call in {call.index: call for cut in cuts for call in _skipped(calls, cut)}.values():
            # Nobody reads it: any tensor of its shape will do, and this one takes no memory.
            self.kept.setdefault(call.index, call.value.new_zeros(()).expand(call.value.shape))

    def first_call(self, modules: Iterable[str]) -> int | None:
        """Return where the earliest of these modules is called; None if none of them is."""
        return min((self._first[name] for name in modules if name in self._first), default=None)

    def cut_before(self, call: int) -> int:
        """Return the last place at or before a call from which a pass can begin; 0 is the whole pass."""
        return max((cut for cut in self.cuts if cut <= call), default=0)


class Replayer:
    """A model whose passes can be recorded and begun again in the middle; not trained meanwhile.

    Args:
        model: In eval mode. While attached, its modules' ``forward`` is replaced on the instances.
        layers: The names of the modules that can change.
        inputs: Applied to the input of some modules before each call, by name.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Iterable[str],
        inputs: dict[str, Callable[[Tensor], Tensor]] | None = None,
    ) -> None:
        self.model = model
        self.layers = set(layers)
        self.inputs = inputs or {}
        self._wrapped: list[nn.Module] = []
        self._recorder: _Recorder | None = None
        self._replay: Replay | None = None
        self._cut = 0
        self._cursor = 0

    def attach(self) -> None:
        """Intercept the calls of all modules below the model, until `detach`."""
        for name, module in self.model.named_modules():
            if name and "forward" not in module.__dict__:
                module.forward = self._wrap(name, module.forward)
                self._wrapped.append(module)

    def detach(self) -> None:
        """Let the modules be as they were."""
        while self._wrapped:
            del self._wrapped.pop().__dict__["forward"]

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Intercept calls for a while."""
        self.attach()
        try:
            yield
        finally:
            self.detach()

    def record(self, batch: Tensor, budget: int) -> Replay:
        """Run a batch and keep what later passes need, in at most ``budget`` bytes.

        Raises:
            ValueError: the model does not return one tensor.
        """
        self._recorder = recorder = _Recorder()
        try:
            with torch.no_grad(), recorder:
                output: Tensor = self.model(batch)
        finally:
            self._recorder = None
        if not isinstance(output, Tensor):
            raise ValueError(f"the model gives a {type(output).__name__}; one tensor of scores is needed.")
        calls = recorder.finish(output)
        cuts = _affordable(calls, self.layers, budget)
        replay = Replay(calls, cuts, output.clone())
        # A module can be used for what it writes into its input, its return value thrown away: tried out.
        sound = [cut for cut in cuts if torch.equal(self._run(batch, replay, cut), replay.output)]
        return replay if sound == cuts else Replay(calls, sound, replay.output)

    def run(self, batch: Tensor, replay: Replay | None = None, changed: Collection[str] = ()) -> Tensor:
        """Return the model's output for a batch; with a replay, from before the first changed layer on.

        Raises:
            RuntimeError: the model called other modules than when it was recorded.
        """
        if replay is None:
            return self._run(batch, None, 0)
        first = replay.first_call(changed)
        if first is None:
            return replay.output
        cut = replay.cut_before(first)
        return self._run(batch, replay if cut else None, cut)

    def _run(self, batch: Tensor, replay: Replay | None, cut: int) -> Tensor:
        self._replay, self._cut, self._cursor = replay, cut, 0
        try:
            with torch.no_grad():
                output: Tensor = self.model(batch)
        finally:
            self._replay = None
        return output

    def _wrap(self, name: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        change = self.inputs.get(name)

        def compute(*args: Any, **kwargs: Any) -> Any:
            if change is not None:
                args, kwargs = _with_input(change, args, kwargs)
            return forward(*args, **kwargs)

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._recorder is not None:
                return self._recorder.call(name, compute, args, kwargs)
            if self._replay is not None:
                kept = self._answer(name, self._replay)
                if kept is not None:
                    return kept
            return compute(*args, **kwargs)

        return call

    def _answer(self, name: str, replay: Replay) -> Tensor | None:
        """Return what is kept of the call that begins now; None: it has to be made."""
        index = self._cursor
        expected = replay.modules[index] if index < len(replay.modules) else None
        if name != expected:
            raise RuntimeError(
                f"the model called {name!r} where it had called {expected!r}: its forward pass depends on "
                "the values of its weights, so that no part of it can be kept."
            )
        if index in replay.kept and replay.ends[index] <= self._cut:
            self._cursor = replay.ends[index]
            kept = replay.kept[index]
            return kept.clone() if index in replay.overwritten else kept
        self._cursor += 1
        return None


class _Recorder(TorchFunctionMode):
    """Notes calls, and who reads what they return."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: list[_Call] = []
        self._open = [_ROOT]
        self._returned: dict[int, list[_Call]] = {}  # by identity: the calls keep the tensors alive
        self._deaf = False

    def call(self, name: str, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a module and note it."""
        call = _Call(name, len(self._calls))
        self._calls.append(call)
        self._open.append(call.index)
        output = forward(*args, **kwargs)
        self._open.pop()
        call.end = len(self._calls)
        if isinstance(output, Tensor):
            self._deaf = True  # our own reading is nobody's need
            call.output, call.version, call.copy = output, output._version, output.clone()
            self._deaf = False
            self._returned.setdefault(id(output), []).append(call)
        return output

    def finish(self, output: Any) -> list[_Call]:
        """Return the calls, once the model has returned."""
        for call in self._returned.get(id(output), ()):
            call.readers.add(_ROOT)
        return self._calls

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note which outputs an operation reads."""
        if not self._deaf:
            for value in _tensors((args, kwargs)):
                for call in self._returned.get(id(value), ()):
                    call.readers.add(self._open[-1])
        return func(*args, **(kwargs or {}))


def _skipped(calls: list[_Call], cut: int) -> list[_Call]:
    """Return the calls that a pass beginning at a cut need not make: the outermost that ended before."""
    found, index = [], 0
    while index < cut:
        call = calls[index]
        if call.end <= cut and call.output is not None:
            found.append(call)
            index = call.end
        else:
            index += 1
    return found


def _read(skipped: list[_Call]) -> set[int]:
    """Return which skipped calls something reads that is not skipped."""
    inside = {index for call in skipped for index in range(call.index, call.end)}
    return {call.index for call in skipped if call.readers - inside}


def _affordable(calls: list[_Call], layers: set[str], budget: int) -> list[int]:
    """Return the cuts whose outputs fit into the budget, the latest first: they save most."""
    chosen: dict[int, Tensor] = {}
    cuts = []
    for cut in sorted({call.index for call in calls if call.module in layers}, reverse=True):
        needed = {index: calls[index].value for index in _read(_skipped(calls, cut))}
        if cut and _bytes([*chosen.values(), *needed.values()]) <= budget:
            chosen |= needed
            cuts.append(cut)
    return sorted(cuts)


def _bytes(tensors: Iterable[Tensor]) -> int:
    storages = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    return sum(storages.values())


def _with_input(change: Callable[[Tensor], Tensor], args: Any, kwargs: Any) -> tuple[Any, Any]:
    if args:
        return (change(args[0]), *args[1:]), kwargs
    return args, {**kwargs, "input": change(kwargs["input"])}


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)

"""The way that docs/architecture.md draws, from the command line to Trainer.fit, is the way taken."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import FrameType

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"

CONFIG = """
seed_everything: 1
trainer: {fast_dev_run: true, enable_progress_bar: false, enable_model_summary: false}
model: {class_path: image_classifier, init_args: {network: small_cnn, num_classes: 10}}
data: digits
"""


def drawn_chain() -> list[tuple[int, str]]:
    """Return (indentation, function) for each line of the drawing."""
    drawing = re.search(r"<!-- chain -->\n```text\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    return [
        (len(line) - len(line.lstrip()), line.split()[0]) for line in drawing.splitlines() if line.strip()
    ]


def drawn_callers(chain: list[tuple[int, str]]) -> dict[str, str | None]:
    """Return the function under which each one is indented."""
    callers: dict[str, str | None] = {}
    open_lines: list[tuple[int, str]] = []
    for indentation, function in chain:
        open_lines = [line for line in open_lines if line[0] < indentation]
        callers[function] = open_lines[-1][1] if open_lines else None
        open_lines.append((indentation, function))
    return callers


class Tracer:
    """Notes the first call of each function watched, and what was on the stack then."""

    def __init__(self, watched: set[str]) -> None:
        self.watched = watched
        self.order: list[str] = []
        self.stacks: dict[str, set[str]] = {}

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        name = _name(frame)
        if name not in self.watched or name in self.stacks:
            return
        self.order.append(name)
        self.stacks[name] = set()
        caller = frame.f_back
        while caller is not None:
            self.stacks[name].add(_name(caller))
            caller = caller.f_back


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


@pytest.fixture
def tracer(run_fulmen, tmp_path):
    import fulmen.command  # noqa: F401 - its imports are not a part of the way
    from fulmen.host import reset

    reset()  # an earlier test of this process has found the plugins already
    (tmp_path / "x.yaml").write_text(CONFIG)
    tracer = Tracer({function for _, function in drawn_chain()})
    before = sys.getprofile()
    sys.setprofile(tracer)
    try:
        ran = run_fulmen("fit", "--config", "x.yaml")
    finally:
        sys.setprofile(before)
    assert ran.status == 0, ran.stderr
    return tracer


def test_a_run_takes_the_way_that_is_drawn(tracer):
    chain = drawn_chain()

    assert [function for _, function in chain if function not in tracer.order] == []
    assert tracer.order == [function for _, function in chain]


def test_each_function_is_called_within_the_one_it_is_drawn_under(tracer):
    callers = drawn_callers(drawn_chain())
    wrong = [
        f"{function} is not called within {caller}"
        for function, caller in callers.items()
        if caller is not None and caller not in tracer.stacks[function]
    ]

    assert wrong == []

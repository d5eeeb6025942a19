"""One candidate after the other in one process."""

from __future__ import annotations

import gc
import os
import signal
import weakref

import pytest
from torch import nn

from fulmen.checkpoints import load_checkpoint
from fulmen.costs.quiet import Quiet
from fulmen.engines.running import TaskRunner
from fulmen.evaluation.candidates import evaluate
from fulmen.evaluation.template import make_template
from fulmen.search.interruption import Terminated, deferred_signals
from fulmen.search.session import EVALUATE, TEMPLATE
from fulmen.searching import Task
from fulmen.testing.toys import ToyClassifier, ToyImages

CONFIG = {
    "model": {"class_path": "fulmen.testing.toys.ToyClassifier"},
    "data": {"class_path": "fulmen.testing.toys.ToyImages"},
    "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_train_batches": 2},
}

WORK = {
    "overlay": {},
    "seed": 1,
    "objectives": [{"name": "loss", "mode": "min", "source": {"metric": "val_loss"}}],
    "abort": {},
    "test": False,
    "will_test": False,
}


def test_others_may_measure_between_the_batches_of_its_test_too(tmp_path, monkeypatch):
    breaths: list[int] = []
    monkeypatch.setattr(Quiet, "breathe", lambda self: breaths.append(1))
    template, seen = make_template(CONFIG), {}
    for test in (False, True):
        breaths.clear()
        evaluate(template, {**WORK, "test": test, "folder": str(tmp_path)})
        seen[test] = len(breaths)

    assert seen[True] - seen[False] == 2  # batches of its test


def test_nothing_of_a_candidate_stays_in_memory(tmp_path, monkeypatch):
    """Patches of one are hundreds of megabytes: a trainer and its data hold each other."""
    data: list[weakref.ref] = []
    prepare = ToyImages.setup

    def noted(self, stage=None):
        data.append(weakref.ref(self))
        prepare(self, stage)

    monkeypatch.setattr(ToyImages, "setup", noted)
    template, work = make_template(CONFIG), WORK
    gc.disable()  # what goes away, goes away by evaluate's own doing
    try:
        evaluation = evaluate(template, {**work, "folder": str(tmp_path / "0")})
    finally:
        gc.enable()

    assert evaluation["status"] == "ok", evaluation["failure"]
    assert data
    assert all(one() is None for one in data)
    assert evaluate(template, {**work, "folder": str(tmp_path / "1")})["values"] == evaluation["values"]


class Remembering(ToyClassifier):
    """Keeps its options in its checkpoints."""

    def __init__(self, lr: float = 0.05) -> None:
        super().__init__(lr)
        self.save_hyperparameters()


def test_a_checkpoint_says_what_the_candidate_was(tmp_path):
    config = {**CONFIG, "model": {"class_path": f"{__name__}.Remembering"}}
    work = {**WORK, "overlay": {"model.init_args.lr": 0.123}, "folder": str(tmp_path)}

    evaluation = evaluate(make_template(config), work)

    assert load_checkpoint(evaluation["artifacts"]["checkpoint"])["hyper_parameters"]["lr"] == 0.123


def test_a_network_that_cannot_be_built_harms_no_other(tmp_path):
    part = {"class_path": f"{__name__}.Part"}
    model = {"class_path": f"{__name__}.Around", "init_args": {"part": part}}
    template = make_template({**CONFIG, "model": model})
    bad = {**WORK, "overlay": {"model.init_args.part.init_args.size": -1}, "folder": str(tmp_path / "0")}

    failed = [evaluate(template, bad) for _ in range(2)]

    assert [one["status"] for one in failed] == ["crash"] * 2
    assert failed[0]["failure"] == failed[1]["failure"]
    assert evaluate(template, {**WORK, "folder": str(tmp_path / "1")})["status"] == "ok"


class Part(nn.Module):
    """Refuses a size."""

    def __init__(self, size: int = 1) -> None:
        super().__init__()
        if size < 0:
            raise ValueError(f"size is {size}")


class Around(ToyClassifier):
    """Has a part that is built before it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part


def test_a_sigterm_is_no_failure_of_the_candidates(tmp_path, monkeypatch):
    """A search that is told to end would else remember its running candidate as one that crashes."""
    monkeypatch.setattr(
        ToyImages, "on_before_batch_transfer", lambda *_: os.kill(os.getpid(), signal.SIGTERM), raising=False
    )
    ended = []
    with pytest.raises(Terminated), deferred_signals():  # noqa: PT012  the block's end raises too
        try:
            evaluate(make_template(CONFIG), {**WORK, "folder": str(tmp_path)})
        except Terminated:
            ended.append("by evaluate")

    assert ended == ["by evaluate"]


def test_an_interrupt_ends_the_run_and_is_no_failure_of_the_candidates(tmp_path, monkeypatch):
    """Lightning's Trainer makes an exit of it, which a task could have come to by itself."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ToyImages, "on_before_batch_transfer", interrupt, raising=False)
    work = {**WORK, "folder": str(tmp_path)}
    runner = TaskRunner()

    with pytest.raises(KeyboardInterrupt):
        runner.run(Task("0", EVALUATE, (work,), TEMPLATE, (CONFIG,)))

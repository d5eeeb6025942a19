"""One candidate after the other in one process."""

from __future__ import annotations

import gc
import weakref

from fulmen.evaluation.candidates import evaluate
from fulmen.evaluation.template import make_template
from fulmen.testing.toys import ToyImages

CONFIG = {
    "model": {"class_path": "fulmen.testing.toys.ToyClassifier"},
    "data": {"class_path": "fulmen.testing.toys.ToyImages"},
    "trainer": {"max_epochs": 1, "accelerator": "cpu", "limit_train_batches": 2},
}


def test_nothing_of_a_candidate_stays_in_memory(tmp_path, monkeypatch):
    """Patches of one are hundreds of megabytes: a trainer and its data hold each other."""
    data: list[weakref.ref] = []
    prepare = ToyImages.setup

    def noted(self, stage=None):
        data.append(weakref.ref(self))
        prepare(self, stage)

    monkeypatch.setattr(ToyImages, "setup", noted)
    template = make_template(CONFIG)
    work = {
        "overlay": {},
        "seed": 1,
        "objectives": [{"name": "loss", "mode": "min", "source": {"metric": "val_loss"}}],
        "abort": {},
        "test": False,
    }
    gc.disable()  # what goes away, goes away by evaluate's own doing
    try:
        evaluation = evaluate(template, {**work, "folder": str(tmp_path / "0")})
    finally:
        gc.enable()

    assert evaluation["status"] == "ok", evaluation["failure"]
    assert data
    assert all(one() is None for one in data)
    assert evaluate(template, {**work, "folder": str(tmp_path / "1")})["values"] == evaluation["values"]

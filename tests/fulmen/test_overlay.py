"""Overlays: what they set, what they leave, what they refuse."""

from __future__ import annotations

import pytest

from fulmen.config.overlay import laid_over
from fulmen.errors import ConfigError

CONFIG = {
    "model": {
        "class_path": "a.B",
        "init_args": {"lr": 0.1, "net": {"class_path": "n.M", "init_args": {"w": 8}}},
    },
    "trainer": {
        "max_epochs": 3,
        "callbacks": [{"class_path": "c.D", "init_args": {"k": 1}}],
        "profiler": None,
    },
}


def test_values_are_set_and_the_config_is_left_alone():
    before = repr(CONFIG)

    result = laid_over(
        CONFIG, {"model.init_args.lr": 1, "trainer.callbacks.0.init_args.k": [2, 3], "trainer.profiler": "x"}
    )

    assert result["model"]["init_args"]["lr"] == 1
    assert result["trainer"]["callbacks"] == [{"class_path": "c.D", "init_args": {"k": [2, 3]}}]
    assert result["trainer"]["profiler"] == "x"
    assert repr(CONFIG) == before


def test_lists_and_mappings_are_replaced_whole():
    result = laid_over(CONFIG, {"trainer.callbacks": [], "model.init_args.net": {"class_path": "o.P"}})

    assert result["trainer"]["callbacks"] == []
    assert result["model"]["init_args"]["net"] == {"class_path": "o.P"}


def test_a_part_of_what_is_replaced_can_be_set_too():
    result = laid_over(
        CONFIG,
        {
            "model.init_args.net.init_args.w": 3,
            "model.init_args.net": {"class_path": "n.M", "init_args": {"w": 1}},
        },
    )

    assert result["model"]["init_args"]["net"]["init_args"] == {"w": 3}


def test_a_new_class_drops_the_options_of_the_old_one():
    net = "model.init_args.net"

    assert laid_over(CONFIG, {f"{net}.class_path": "o.P"})["model"]["init_args"]["net"] == {
        "class_path": "o.P",
        "init_args": {},
    }
    result = laid_over(CONFIG, {f"{net}.class_path": "o.P", f"{net}.init_args.depth": 2})
    assert result["model"]["init_args"]["net"] == {"class_path": "o.P", "init_args": {"depth": 2}}
    assert laid_over(CONFIG, {f"{net}.class_path": "n.M"}) == CONFIG


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("model.init_args.lrr", "did you mean 'model.init_args.lr'?"),
        ("modle.init_args.lr", "did you mean 'model'?"),
        ("trainer.callbacks.1.init_args.k", "trainer.callbacks is a list of 1."),
        ("trainer.callbacks.1", "trainer.callbacks is a list of 1."),
        ("trainer.max_epochs.x", "trainer.max_epochs is 3."),
        ("quux", "there are model, trainer."),
    ],
)
def test_a_key_that_does_not_exist_is_refused(key, said):
    with pytest.raises(ConfigError) as refused:
        laid_over(CONFIG, {key: 1})

    assert str(refused.value) == f"overlay: {key}: no such key in the config; {said}"

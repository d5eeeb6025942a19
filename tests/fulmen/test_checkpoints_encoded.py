"""Weights that a plugin has encoded are decoded by it, and by nobody else."""

from __future__ import annotations

import sys

import pytest
import torch

import fulmen
from fulmen.errors import CheckpointError

NEGATED = """
def decode(state):
    if "broken" in state:
        raise ValueError("the weights are beyond repair.")
    return {name: -tensor for name, tensor in state.items()}
"""


@pytest.fixture
def plugin(make_plugin, tmp_path):
    make_plugin("negated", "")
    (tmp_path / "site" / "fulmen_fulmen_negated" / "decoding.py").write_text(NEGATED)
    return "fulmen_fulmen_negated.decoding:decode"


def save(path, target, **state):
    torch.save({"state_dict": state, "fulmen_encoded_by": target, "epoch": 3}, path)
    return path


def test_a_plugin_decodes_what_it_encoded(plugin, tmp_path):
    path = save(tmp_path / "a.ckpt", plugin, weight=torch.ones(2))

    checkpoint = fulmen.load_checkpoint(path)

    assert checkpoint["state_dict"]["weight"].tolist() == [-1, -1]
    assert "fulmen_encoded_by" not in checkpoint
    assert checkpoint["epoch"] == 3


def test_what_it_cannot_mend_is_the_files_fault(plugin, tmp_path):
    path = save(tmp_path / "a.ckpt", plugin, broken=torch.ones(1))

    with pytest.raises(CheckpointError, match=r"a\.ckpt: the weights are beyond repair"):
        fulmen.load_checkpoint(path)


@pytest.mark.parametrize("target", ["os:system", "canary_module:decode"])
def test_nothing_else_is_imported(plugin, target, tmp_path, monkeypatch):
    (tmp_path / "canary_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    path = save(tmp_path / "a.ckpt", target, weight=torch.ones(1))

    with pytest.raises(CheckpointError, match="no installed plugin has it"):
        fulmen.load_checkpoint(path)
    assert "canary_module" not in sys.modules


def test_a_disabled_plugin_is_named(plugin, tmp_path, monkeypatch):
    monkeypatch.setenv("FULMEN_DISABLE", "negated")
    from fulmen import host

    host.reset()
    path = save(tmp_path / "a.ckpt", plugin, weight=torch.ones(1))

    with pytest.raises(CheckpointError, match="the plugin 'negated' is disabled"):
        fulmen.load_checkpoint(path)

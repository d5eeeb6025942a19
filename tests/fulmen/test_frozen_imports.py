"""Imports are frozen, and the collector is afterwards as it was."""

from __future__ import annotations

import gc
import weakref

import pytest

from fulmen.frozen_imports import frozen_imports


@pytest.fixture(autouse=True)
def _thawed():
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_is_off_in_the_block_and_what_it_made_is_frozen():
    frozen = gc.get_freeze_count()

    with frozen_imports():
        assert not gc.isenabled()
        made = [[] for _ in range(1000)]

    assert gc.isenabled()
    assert gc.get_freeze_count() >= frozen + len(made)


def test_whoever_has_turned_it_off_keeps_it_off():
    gc.disable()

    with frozen_imports():
        pass

    assert not gc.isenabled()


def test_an_import_that_fails_leaves_it_on():
    with pytest.raises(ImportError), frozen_imports():
        import no_such_module  # noqa: F401

    assert gc.isenabled()


def test_cycles_that_are_made_later_are_freed():
    class Node:
        pass

    with frozen_imports():
        pass
    node = Node()
    node.itself = node
    gone = weakref.ref(node)
    del node
    gc.collect()

    assert gone() is None

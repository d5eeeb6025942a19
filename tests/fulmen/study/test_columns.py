"""What stands in a cell of a search's tables."""

from __future__ import annotations

import pytest

from fulmen.study.columns import cell


@pytest.mark.parametrize("value", [None, True, 3, 0.5, "conv"])
def test_a_single_value_stays_what_it_is(value):
    assert cell(value) is value


def test_lists_and_mappings_are_json_which_other_programs_read():
    assert cell(["a", None, {"b": True}]) == '["a", null, {"b": true}]'

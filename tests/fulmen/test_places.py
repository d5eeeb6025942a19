"""What a component refuses names the file and the full key: whatever the component itself calls it."""

from __future__ import annotations

import pytest
from jsonargparse import Namespace

from fulmen.config.parse_log import ParseLog
from fulmen.config.places import placed
from fulmen.errors import ConfigError

HERE = f"{__name__}.Part"
DOTTED = "model.init_args.layers"


class Part:
    """Refuses sizes below 1."""

    def __init__(self, size: int = 1, other: int = 0) -> None:
        if size < 1:
            raise ConfigError(f"size is {size}; expected 1 or more")
        if other:
            raise ConfigError("nothing fits")


def refusal(**options):
    with pytest.raises(ConfigError) as refused:
        Part(**options)
    return refused.value


def part(**options):
    return {"class_path": HERE, "init_args": options}


def log_of(document, *options):
    return ParseLog({"a.yaml": document}, options=list(options))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"part": part(size=0)}, "a.yaml: part.init_args.size is 0; expected 1 or more"),
        ({"fit": {"part": part(size=0)}}, "a.yaml: part.init_args.size is 0; expected 1 or more"),
        (
            {"parts": {DOTTED: part(size=3), f"{DOTTED}2": part(size=0)}},
            f"a.yaml: parts.{DOTTED}2.init_args.size is 0; expected 1 or more",
        ),
        ({"parts": [part(size=0)]}, "a.yaml: parts.init_args.size is 0; expected 1 or more"),
    ],
)
def test_the_object_that_raised_is_found(document, said):
    config = Namespace(**document.get("fit", document))

    assert placed(refusal(size=0), config, log_of(document)) == said


def test_a_line_about_no_option_names_the_object():
    document = {"part": part(other=1)}

    assert placed(refusal(other=1), document, log_of(document)) == "a.yaml: part: nothing fits"


@pytest.mark.parametrize("option", ["part.size", "part.init_args.size", "part"])
def test_what_an_option_gives_is_not_said_to_be_of_the_file(option):
    document = {"part": part(size=0)}

    assert placed(refusal(size=0), document, log_of(document, option)).startswith("part.init_args.size is 0")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("budget: minutes: expected more", "a.yaml: budget.minutes: expected more"),
        ("budget: nothing fits", "a.yaml: budget: nothing fits"),
        ("part: size is 0", "a.yaml: part.init_args.size is 0"),
        ("overlay: x.y: no such key", "a.yaml: searcher: x.y: no such key"),
        ("a.yaml: budget: known already", "a.yaml: budget: known already"),
        ("fit: the checkpoint stands at epoch 3", "fit: the checkpoint stands at epoch 3"),
        ("", ""),
    ],
)
def test_a_line_that_begins_with_a_key_names_its_file(said, expected):
    document = {"budget": {"minutes": 1}, "part": part(size=0), "searcher": {"class_path": "x.Y"}}

    assert placed(ConfigError(said), document, log_of(document)) == expected

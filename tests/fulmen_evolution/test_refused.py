"""What `fulmen search` refuses of a space is one line: the file, the full key, found, expected."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

DIGITS = Path(__file__).parents[2] / "configs" / "evolution" / "digits.yaml"
LAYERS = "model.init_args.network.init_args.layers"
STRUCTURE = f"bad.yaml: searcher.init_args.structures.{LAYERS}"


@pytest.fixture
def refused(run_fulmen, tmp_path):
    """Return what a search says of the digits' config with options of structure and searcher changed."""

    def run(structure=None, *words, **searcher):
        config = yaml.safe_load(DIGITS.read_text())
        del config["final"]  # and one evaluation: what should be refused and is not ends soon
        options = config["searcher"]["init_args"]
        options.update(searcher)
        options["structures"][LAYERS]["init_args"].update(structure or {})
        (tmp_path / "bad.yaml").write_text(yaml.safe_dump(config))
        words = ("--run=out", "--quiet", "--budget.evaluations=1", *words)
        ran = run_fulmen("search", "--config=bad.yaml", *words)
        assert ran.status == 2, ran.stderr
        assert not (tmp_path / "out").exists()
        (line,) = ran.stderr.splitlines()
        return line.removeprefix("error: ")

    return run


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        ({"depth": [8, 2]}, ".init_args.depth is (8, 2); expected the least and the greatest"),
        ({"max_parameters": -1}, ".init_args.max_parameters is -1; expected 0 or more"),
        ({"max_activations": 1}, ": no valid network was found in 1000 tries: 2 to 8 layers"),
        ({"input_shape": [0, 8, 8]}, ".init_args.input_shape is (0, 8, 8); expected channels, height"),
        ({"input_shape": [3, 8, 8]}, ".init_args.input_shape is (3, 8, 8); the network has in_channels 1"),
        ({"input_shape": [1, 64, 64]}, ".init_args.input_shape is (1, 64, 64); the network has image_size"),
        ({"begin_with": [[{"class_path": "convolution"}]]}, ".init_args.begin_with: network 1 is none that"),
        (
            {"begin_with": ["dropout"]},
            ".init_args.begin_with: expected list or null, got 'dropout' in ['dropout'].",
        ),
        ({"begin_with": [["dropuot"]]}, ".init_args.begin_with: no gene is called 'dropuot'; did you mean"),
        ({"limits": {"Convolution": {"channels": [-1]}}}, ".init_args.limits: gene Convolution: channels"),
    ],
)
def test_a_structure(refused, structure, said):
    line = refused(structure)

    assert line.startswith(f"{STRUCTURE}{said}")
    assert "inf " not in line


@pytest.mark.parametrize(
    ("searcher", "said"),
    [
        ({"initial": 0}, "bad.yaml: searcher.init_args.initial is 0; expected a whole number, 1"),
        ({"space": {"x.lr": {"log": [3, 1]}}}, "bad.yaml: searcher.init_args.space: x.lr: the range [3, 1]"),
        ({"combine": "weighted", "weights": {"f": 1}}, "bad.yaml: searcher.init_args.weights: f: 1.0"),
    ],
)
def test_a_searcher(refused, searcher, said):
    assert refused(**searcher).startswith(said)


def test_an_option_is_not_said_to_stand_in_the_file(refused):
    assert refused(None, "--searcher.initial=0", initial=3).startswith("searcher.init_args.initial is 0")
    assert refused(None, "--engine.workers=0").startswith("engine.init_args.workers: expected 1 to 64, got 0")

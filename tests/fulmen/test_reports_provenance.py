"""Provenance says what made a result, and never a secret."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from fulmen.reports import redact, versions


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ({"api_token": "s3cret"}, {"api_token": "***"}),
        ({"Password": 12345}, {"Password": "***"}),
        (
            {"aws": {"SECRET": {"id": "s3cret", "list": ["s3cret", None]}}},
            {"aws": {"SECRET": {"id": "***", "list": ["***", None]}}},
        ),
        (
            {"loggers": [{"api_key": "s3cret", "project": "p"}]},
            {"loggers": [{"api_key": "***", "project": "p"}]},
        ),
        ({"token": None}, {"token": None}),
        ({"num_tokens": 512, "key_dim": 0.5}, {"num_tokens": 512, "key_dim": 0.5}),
        ({"lr": 0.1, "layers": [1, 2], "on": True}, {"lr": 0.1, "layers": [1, 2], "on": True}),
        ({"url": "https://me:s3cret@host/x"}, {"url": "https://***@host/x"}),
        ({"url": "https://host/a@b"}, {"url": "https://host/a@b"}),
        (
            {"command": "fulmen fit --logger.api_key=s3cret --x 1"},
            {"command": "fulmen fit --logger.api_key=*** --x 1"},
        ),
        ({"command": "fulmen fit --token 's3 cret' --x 1"}, {"command": "fulmen fit --token *** --x 1"}),
        ({"command": "fulmen fit --use_token --x 1"}, {"command": "fulmen fit --use_token --x 1"}),
        ({"argv": ["fit", "--token", "s3cret", "--x"]}, {"argv": ["fit", "--token", "***", "--x"]}),
        ({"argv": ["fit", "--use_token", "--x", "1"]}, {"argv": ["fit", "--use_token", "--x", "1"]}),
        ({"argv": ["fit", "--a.token=s3cret", "y"]}, {"argv": ["fit", "--a.token=***", "y"]}),
    ],
)
def test_secrets_are_hidden_and_the_rest_is_shown(config, shown):
    assert redact(config) == shown
    assert "s3" not in str(redact(config))


def test_redacting_leaves_the_configuration_itself_alone():
    config = {"logger": {"token": "s3cret"}}
    redact(config)
    assert config == {"logger": {"token": "s3cret"}}


def test_versions_name_every_plugin_without_importing_any():
    code = "import sys; from fulmen.reports import versions; versions(); print('torch' in sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert output.strip() == "False"
    assert versions()["torch"] == metadata.version("torch")
    assert versions()["plugins"].keys() == {entry.name for entry in metadata.entry_points(group="fulmen")}
    assert versions()["plugins"]["vision"] == f"fulmen {metadata.version('fulmen')}"

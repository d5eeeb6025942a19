"""A YAML file is looked at before it is parsed; a command line is put into the order that is meant."""

from __future__ import annotations

import os
import threading
import time
import tracemalloc

import pytest
import yaml

from fulmen.config.arguments import arrange, documents_of
from fulmen.config.command_line import after_verb, given_value, split
from fulmen.config.documents import is_file_name, read_document
from fulmen.errors import ConfigError

VERBS = ("fit", "test")


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(text, name="a.yaml"):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return name

    return write


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n",
        "a: 1",
        "\ufeffa: 1\n",
        "a: 1\r\nb: [2, 3]\r\n",
        "---\na: 1\n...\n",
        '{"a": 1, "b": {"c": [1, 2]}}',
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, e: 2}\n",
        "a: 2024-13-45\nb: 12:30:45\n",
        "a: ü\n",
        "a:\n  1: x\n  true: y\n",
        "a: {b: }\n",
        "a: ''\n",
    ],
)
def test_whatever_a_config_may_hold_is_read(write, text):
    assert isinstance(read_document(write(text)), dict)


def test_values_are_those_of_yaml(write):
    text = "a: {b: [1, 2.5, true, null, text]}\nc: &x [1]\nd: *x\n"

    assert read_document(write(text)) == yaml.safe_load(text)


def test_dates_are_text_as_jsonargparse_reads_them(write):
    assert read_document(write("a: 2024-01-31\n")) == {"a": "2024-01-31"}


@pytest.mark.parametrize(("depth", "width"), [(5, 9), (9, 9), (30, 2), (60, 2)])
def test_an_alias_bomb_costs_nothing(write, depth, width):
    lines = [f"a0: &a0 [{', '.join('x' * width)}]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    file = write("\n".join([*lines, f"last: [{', '.join([f'*a{depth - 1}'] * 4)}]"]))
    tracemalloc.start()
    begin = time.monotonic()

    with pytest.raises(ConfigError, match=r"a.yaml: its aliases expand to .* values"):
        read_document(file)

    assert time.monotonic() - begin < 10
    assert tracemalloc.get_traced_memory()[1] < 2**26
    tracemalloc.stop()


def test_what_cannot_be_read_is_said():
    with pytest.raises(ConfigError, match=r"/proc/self/mem: cannot be read \(Input/output error\)"):
        read_document("/proc/self/mem")


@pytest.mark.parametrize(
    ("value", "is_file"),
    [("a.yaml", True), ("no such file", True), ("{a: 1}", False), ("a: 1", False), ("a:\n  b: 1", False)],
)
def test_a_file_name_is_told_from_yaml(value, is_file):
    assert is_file_name(value) == is_file


def test_a_device_is_refused():
    with pytest.raises(ConfigError, match="/dev/zero: is a device"):
        read_document("/dev/zero")


def test_a_pipe_is_left_to_the_parser(tmp_path, run_fulmen):
    os.mkfifo(tmp_path / "pipe")
    text = "{trainer: {max_epochs: 7}, data: digits}"
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=[text])
    writer.start()

    model = ["--model=image_classifier", "--model.network=small_cnn", "--model.num_classes=10"]
    ran = run_fulmen("fit", "--config=pipe", *model, "--print_config")

    writer.join()
    assert ran.status == 0, ran.stderr
    assert yaml.safe_load(ran.stdout)["trainer"]["max_epochs"] == 7


@pytest.mark.parametrize(
    ("argv", "verb", "files", "rest"),
    [
        (["fit"], "fit", [], []),
        ([], None, [], []),
        (["-c", "a", "fit", "--x=1"], "fit", ["a"], ["--x=1"]),
        (["--config=a", "fit", "--config", "b", "--x", "1"], "fit", ["a", "b"], ["--x", "1"]),
        (["-c", "fit", "fit"], "fit", ["fit"], []),
    ],
)
def test_a_command_line_is_taken_apart(argv, verb, files, rest):
    line = split(argv)

    assert (line.verb, line.files, line.after) == (verb, files, rest)
    assert verb is None or argv[line.position] == verb


@pytest.mark.parametrize("argv", [["fit", "-c"], ["--config"], ["fit", "--config="]])
def test_config_without_a_file_is_refused(argv):
    with pytest.raises(ConfigError, match="the name of a YAML file is expected"):
        split(argv)


def test_options_win_over_files_wherever_they_stand(write):
    write("x: 1")

    assert arrange(["fit", "--x=2", "-c", "a.yaml"], VERBS) == ["fit", "--config", "a.yaml", "--x=2"]
    assert arrange(["-c", "a.yaml", "fit", "--x=2"], VERBS) == ["fit", "--config", "a.yaml", "--x=2"]


@pytest.mark.parametrize("argv", [["fit", "-c", "a.yaml"], ["-c", "a.yaml", "fit"]])
def test_a_file_of_blocks_goes_before_the_verb(write, argv):
    write("fit: {x: 1}\ntest: {x: 2}")

    assert arrange(argv, VERBS) == ["--config", "a.yaml", "fit"]
    assert documents_of(argv) == [{"x": 1}]


def test_later_files_win_and_keep_their_order(write):
    for name in "ab":
        write("x: 1", name)

    assert arrange(["-c", "b", "fit", "-c", "a"], VERBS) == ["fit", "--config", "b", "--config", "a"]


def test_a_block_beside_other_keys_is_refused(write):
    write("fit: {x: 1}\ny: 2")

    with pytest.raises(ConfigError, match="move 'y' into the block"):
        arrange(["fit", "-c", "a.yaml"], VERBS)


@pytest.mark.parametrize(
    ("argv", "value"),
    [(["--x", "1", "--x=2"], "2"), (["--x=2", "--x", "1"], "1"), (["--x"], None), (["--y=1"], None)],
)
def test_the_last_value_of_an_option_counts(argv, value):
    assert given_value(argv, "--x") == value


def test_words_are_put_after_the_verb_and_not_after_a_file_of_its_name():
    assert after_verb(["-c", "fit", "fit", "--x"], ["--y"]) == ["-c", "fit", "fit", "--y", "--x"]

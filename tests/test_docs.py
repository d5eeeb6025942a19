"""Every command in the docs is run, and must do what its page shows.

A page is README.md, CONTRIBUTING.md or one under docs/. Its ``console`` blocks run in their order in
one folder that has a copy of configs/; what a block shows must be printed (``...`` stands for
anything). A comment before a block changes how it is taken::

    <!-- file: hello.yaml -->        the block is written to that file
    <!-- exits: 2 -->                its last command ends with this status
    <!-- adds: --trainer.max_epochs=1 -->   is added to its fulmen commands, so that the test is short
    <!-- figures: vary -->           numbers are compared as numbers only in their places
    <!-- fragment -->                a YAML or Python block that is part of something
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted(path for path in (REPOSITORY / "docs").rglob("*.md") if "_build" not in path.parts),
]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
BIN = Path(sys.executable).parent

_PATHS = os.environ.get("PYTHONPATH", "").split(":")  # of a checkout that is not the one installed
_FENCE = re.compile(r"^(\s*)```+(?:\{code-block\}\s*)?(\w*|\{[\w-]+\}.*)\s*$")
_MARKER = re.compile(r"^\s*<!--\s*(file|exits|adds|figures|fragment)(?::\s*(.*?))?\s*-->\s*$")
_NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
_SHELL = re.compile(r"[|><;&$*]|\bcd\b")


@dataclass
class Block:
    """A fenced block of a page and the comments that stand before it."""

    page: Path
    line: int
    language: str
    text: str
    markers: dict[str, str]

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(REPOSITORY)}:{self.line}"


@dataclass
class Command:
    """A command of a block, and the lines that the block shows below it."""

    text: str
    shown: list[str] = field(default_factory=list)


def blocks(page: Path) -> Iterator[Block]:
    markers: dict[str, str] = {}
    opening: tuple[int, str, str] | None = None
    body: list[str] = []
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if opening is None and fence:
            opening, body = (number, fence[1], fence[2]), []
        elif opening is None and line.lstrip().startswith("```"):
            pytest.fail(f"{page}:{number}: no language alone after the fence: {line}")
        elif opening is not None and fence and not fence[2]:
            indented = len(opening[1])
            text = "".join(f"{part[indented:]}\n" for part in body)
            yield Block(page, opening[0], opening[2], text, markers)
            opening, markers = None, {}
        elif opening is not None:
            body.append(line)
        elif marker := _MARKER.match(line):
            markers[marker[1]] = marker[2] or ""
        elif line.strip():
            markers = {}


def commands(block: Block) -> list[Command]:
    found: list[Command] = []
    continued = False
    for line in block.text.splitlines():
        if continued:
            found[-1].text += line.strip().removesuffix("\\")
        elif line.startswith("$ "):
            found.append(Command(line[2:].removesuffix("\\")))
        elif found:
            found[-1].shown.append(line)
        else:
            pytest.fail(f"{block.place}: a console block begins with '$ '")
        continued = line.endswith("\\") and (continued or line.startswith("$ "))
    return found


def first_line_not_shown(shown: list[str], printed: str, figures_vary: bool) -> str | None:
    """Return the first shown line that was not printed after those before it, or None."""
    rest = iter(printed.splitlines())
    for line in shown:
        if line.strip() in {"", "..."}:
            continue
        pattern = re.compile(_pattern(line, figures_vary))
        if not any(pattern.search(candidate) for candidate in rest):
            return line
    return None


def _pattern(line: str, figures_vary: bool) -> str:
    parts = re.split(rf"(\.\.\.|\s+|{_NUMBER})" if figures_vary else r"(\.\.\.|\s+)", line.strip())
    known = {"...": ".*"}
    return "".join(
        known.get(part) or (r"\s+" if part.isspace() else _NUMBER if position % 2 else re.escape(part))
        for position, part in enumerate(parts)
        if part
    )


class Reader:
    """Somebody who follows a page: keeps the folder, and what was installed on the way."""

    def __init__(self, folder: Path, run_fulmen, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.site = folder / ".site"
        self.editable: list[Path] = []
        self.run_fulmen = run_fulmen
        self.monkeypatch = monkeypatch

    def follow(self, block: Block) -> None:
        steps = commands(block)
        for position, command in enumerate(steps, start=1):
            expected = int(block.markers.get("exits", 0)) if position == len(steps) else 0
            status, printed = self.run(command.text, block.markers.get("adds", ""))
            assert status == expected, f"{block.place}: $ {command.text}\n{printed[-3000:]}"
            if shlex.split(command.text)[0] not in ELSEWHERE:
                missing = first_line_not_shown(command.shown, printed, "figures" in block.markers)
                assert missing is None, f"{block.place}: {missing!r} is not in\n{printed[-3000:]}"

    def run(self, text: str, added: str) -> tuple[int, str]:
        words = shlex.split(text, comments=True)
        environment = {}
        while re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0]):
            name, _, environment[name] = words.pop(0).partition("=")
        program, *arguments = words
        if program == "cd":
            self.folder = self.folder / arguments[0]
            assert self.folder.is_dir(), f"cd {arguments[0]}: no such folder"
            return 0, ""
        if check := ELSEWHERE.get(program):
            return check(self, arguments)
        if program == "fulmen":
            text, arguments = f"{text} {added}", [*arguments, *shlex.split(added)]
            if not environment and not self.site.exists() and not _SHELL.search(text):
                self.monkeypatch.chdir(self.folder)
                ran = self.run_fulmen(*arguments)
                return ran.status, ran.stdout + ran.stderr
        return self._process(["bash", "-c", text], environment)

    def _process(self, command: list[str], environment: dict[str, str]) -> tuple[int, str]:
        paths = {
            "PATH": f"{self.site / 'bin'}:{BIN}:{os.environ['PATH']}",
            "PYTHONPATH": ":".join(map(str, [*self.editable, self.site, *filter(None, _PATHS)])),
        }
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **paths, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def pip(self, arguments: list[str]) -> tuple[int, str]:
        """Install folders of the reader's into a folder of their own; check names without fetching."""
        assert arguments[0] == "install", f"pip {arguments[0]} is not a command that the docs may use"
        for word in (argument for argument in arguments[1:] if not argument.startswith("-")):
            if (self.folder / word).is_dir():
                quick = ["-qq", "--no-deps", "--no-build-isolation", "--upgrade", "--target", str(self.site)]
                status, printed = self._process(
                    [sys.executable, "-m", "pip", "install", *quick, str(self.folder / word)], {}
                )
                if status:
                    return status, printed
                if "-e" in arguments:  # pip has no editable installation into a folder
                    self.editable += [self.folder / word, self.folder / word / "src"]
            else:
                _check_requirement(word)
        return 0, ""

    def make(self, arguments: list[str]) -> tuple[int, str]:
        """The targets exist; what they do is the work of continuous integration."""
        done = subprocess.run(["make", "-n", *arguments], cwd=REPOSITORY, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def existing_paths(self, arguments: list[str]) -> tuple[int, str]:
        """What is opened is there, for programs that need a screen."""
        paths = [word for word in arguments if not word.startswith("-")]
        missing = [path for path in paths if not list(self.folder.glob(path))]
        return int(bool(missing)), f"not there: {missing}"

    def nothing(self, arguments: list[str]) -> tuple[int, str]:
        return 0, ""


# What needs the network, a screen or the repository is checked in another way, its output not at all.
ELSEWHERE = {
    "make": Reader.make,
    "pip": Reader.pip,
    "git": Reader.nothing,
    "source": Reader.nothing,
    "tensorboard": Reader.existing_paths,
    "xdg-open": Reader.existing_paths,
}


def _check_requirement(word: str) -> None:
    from packaging.requirements import Requirement

    requirement = Requirement(word)
    if requirement.name == "fulmen":
        assert requirement.extras <= set(PROJECT["optional-dependencies"]), f"{word}: no such extra"


def _page_id(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_command_on_a_page_does_what_the_page_shows(page, tmp_path, run_fulmen, monkeypatch):
    shutil.copytree(REPOSITORY / "configs", tmp_path / "configs")
    reader = Reader(tmp_path, run_fulmen, monkeypatch)
    for block in blocks(page):
        if "file" in block.markers:
            target = reader.folder / block.markers["file"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(block.text)
        elif block.language == "console":
            reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_every_yaml_and_python_block_parses(page):
    for block in blocks(page):
        if block.language == "yaml" and "fragment" not in block.markers:
            assert yaml.safe_load(block.text), block.place
        if block.language == "python" and "fragment" not in block.markers:
            ast.parse(block.text)


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_shell_commands_stand_in_console_blocks_where_they_are_run(page):
    languages = {block.language for block in blocks(page)}

    assert languages.isdisjoint({"bash", "sh", "shell"})


@pytest.mark.parametrize("page", PAGES, ids=_page_id)
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    local = [link for link in links if not re.match(r"[a-z]+:", link)]

    assert [link for link in local if not (page.parent / link).exists()] == []


def test_a_line_that_was_not_printed_is_noticed():
    printed = "a 1\nb   2\nc 3.5 s\n"

    assert first_line_not_shown(["a 1", "...", "c 3.5 s"], printed, False) is None
    assert first_line_not_shown(["b 2", "a 1"], printed, False) == "a 1"
    assert first_line_not_shown(["c 9.25 s"], printed, False) == "c 9.25 s"
    assert first_line_not_shown(["c 9.25 s"], printed, True) is None
    assert first_line_not_shown(["c ... s"], printed, False) is None
    assert first_line_not_shown(["d 1"], printed, True) == "d 1"

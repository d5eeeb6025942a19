"""The files of a new plugin, from the templates of this package."""

from __future__ import annotations

from dataclasses import asdict
from importlib import resources
from string import Template

from fulmen import __version__
from fulmen.artifacts import artifact_folder
from fulmen.scaffold.examples import EXAMPLES
from fulmen.scaffold.request import Request


def write(request: Request) -> int:
    """Write the plugin, whole or not at all, and return the number of its files."""
    files = render(request)
    with artifact_folder(request.folder) as new:
        for path, text in files.items():
            target = new / path
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return len(files)


def render(request: Request) -> dict[str, str]:
    """Return the files of a plugin: path to text."""
    example = EXAMPLES[request.kind]
    package = f"fulmen_{request.plugin}"
    values = {
        **asdict(example),
        "name": request.name,
        "plugin": request.plugin,
        "package": package,
        "kind": request.kind,
        "version": __version__,
    }
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "example.yaml": f"{request.kind}/example.yaml",
        f"{package}/__init__.py": "init.py",
        f"{package}/plugin.py": "plugin.py",
        f"{package}/{example.module}.py": f"{request.kind}/component.py",
        "tests/test_plugin.py": f"{request.kind}/test_plugin.py",
    }
    templates = resources.files(__package__) / "templates"
    return {
        path: Template((templates / f"{source}.tmpl").read_text(encoding="utf-8")).substitute(values)
        for path, source in sources.items()
    }

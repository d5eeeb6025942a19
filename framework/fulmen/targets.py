"""Import strings: ``"package.module:Class"`` to the object, or to what is wrong with it.

`load_target` imports. `why_missing` only looks at files, so that listing a hundred components costs
nothing and runs nobody's code.
"""

from __future__ import annotations

import functools
import importlib
from importlib import machinery, util
from pathlib import Path
from typing import Any

from fulmen.errors import PluginError


def load_target(target: str, owner: str) -> Any:
    """Import ``"package.module:attribute"`` and return the attribute.

    Args:
        target: The import string of a component or command.
        owner: Who offers it, for the error: ``"callback 'wot' of plugin 'zero_space_ecc'"``.

    Raises:
        PluginError: it cannot be imported; names the cause.
    """
    module_name, _, attribute = target.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise PluginError(
            f"{owner} cannot be imported: {one_line(error)}; mend or update the plugin, or leave it out."
        ) from error
    try:
        return functools.reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise PluginError(
            f"{owner} does not exist: {module_name} has no {attribute!r}; mend or update the plugin."
        ) from None


def why_missing(target: str) -> str | None:
    """Say why an import string cannot be right, as far as files tell without an import; else None."""
    module, _, attribute = target.partition(":")
    file = _file_of(module)
    if file is None:
        return f"there is no module {module}"
    if file.suffix == ".py" and not _defines(file, attribute.partition(".")[0]):
        return f"{module} has no {attribute!r}"
    return None


def one_line(error: BaseException) -> str:
    """Return an exception as ``Type: first line of its message``."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _file_of(module: str) -> Path | None:
    root, *rest = module.split(".")
    try:
        spec = util.find_spec(root)  # of the root alone: that imports nothing
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    places = list(spec.submodule_search_locations or [])
    if not rest:
        return Path(spec.origin) if spec.origin else None
    bases = [Path(place).joinpath(*rest) for place in places]
    suffixes = (".py", *machinery.EXTENSION_SUFFIXES)
    candidates = [
        candidate
        for base in bases
        for candidate in (*(base.with_name(base.name + suffix) for suffix in suffixes), base / "__init__.py")
    ]
    return next((path for path in candidates if path.exists()), None)


def _defines(file: Path, name: str) -> bool:
    text = "\n" + file.read_text(encoding="utf-8", errors="replace")
    statements = (f"\n{word} {name}{end}" for word in ("class", "def") for end in "(:[")
    return any(statement in text for statement in statements) or _binds(text, name)


def _binds(text: str, name: str) -> bool:
    """Whether a module's text gives a value to a name, by whatever statement; True where none can tell."""
    import ast  # seldom needed: most classes stand in the module that is named

    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return True  # its import will tell
    definitions = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    bound = {node.name for node in nodes if isinstance(node, definitions)}
    bound |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.asname or node.name for node in nodes if isinstance(node, ast.alias)}
    return bool(bound & {name, "*", "__getattr__"})


def parameters(target: str) -> list[str]:
    """Return the parameters of a class as its own text gives them: nothing is imported for that."""
    import ast

    module, _, name = target.partition(":")
    file = _file_of(module)
    if file is None or file.suffix != ".py":
        return []
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError, OSError):
        return []
    functions = [
        statement
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
        for statement in node.body
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__"
    ]
    arguments = [a for function in functions for a in (*function.args.args[1:], *function.args.kwonlyargs)]
    return [argument.arg for argument in arguments]

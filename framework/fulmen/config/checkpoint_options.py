"""What a model was trained with, taken from its checkpoint: below options and files, above defaults.

Lightning 2.6 lays a checkpoint's hyperparameters over the command line, so that
``fit --model.lr 0.7 --ckpt_path X`` trains with X's rate. Here they are read as if a config file
stood before all others, and what the user changed is said in a line each. A checkpoint is data: a
class that it names is used only if a plugin registers it, the user names it too, or it is imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace

from fulmen.checkpoints import load_checkpoint
from fulmen.config import arguments
from fulmen.errors import CheckpointError
from fulmen.host import host
from fulmen.names import import_class

TRUSTED_ROOTS = ("torch", "torchmetrics", "lightning", "pytorch_lightning")


@dataclass(frozen=True)
class TrainedWith:
    """The options that a checkpoint's model was trained with.

    Attributes:
        path: The checkpoint.
        class_path: The model's class, if the checkpoint names it.
        options: The arguments of the model's ``__init__``.
        foreign: Whether nobody vouches for that class, and the user names another: it is not imported.
    """

    path: str
    class_path: str | None
    options: Mapping[str, Any]
    foreign: bool = False

    def as_config(self, named: str | None, any_class: bool) -> str | None:
        """Return these options as the text of a config, or None where they say nothing.

        Args:
            named: The class that the user names, or None.
            any_class: Whether the model may be of any class (LightningCLI's subclass mode).
        """
        if self.foreign:
            return None
        options: Any = {key: value for key, value in self.options.items() if _is_writable(value)}
        if any_class:
            class_path = self.class_path or named
            options = {"class_path": class_path, "init_args": options} if class_path else None
        return _dump({"model": options}) if options else None

    def say_differences(self, model: Any) -> None:
        """Say in a line each where the model as configured is not the one that was trained."""
        trained = dict(self.options)
        if "class_path" in model:
            if self.class_path is not None and model["class_path"] != self.class_path:
                _say("model", model["class_path"], self.class_path)
                return
            model = model.get("init_args") or {}
        _say_differences(trained, model, "model")


def find(argv: Sequence[str]) -> TrainedWith | None:
    """Return what the checkpoint that a command line names was trained with.

    Args:
        argv: The command line; the checkpoint may be named in one of its config files.

    Returns:
        None if none is named, or it is none of ours to read (``last``, ``best``, a folder).

    Raises:
        CheckpointError: the file is no checkpoint, or names a class that nobody vouches for.
    """
    documents = arguments.documents_of(argv)
    in_files = [document.get("ckpt_path") for document in documents]
    path = arguments.given_value(argv, "--ckpt_path") or next(filter(None, reversed(in_files)), None)
    if path is None or not Path(str(path)).is_file():
        return None
    options = dict(load_checkpoint(path).get("hyper_parameters") or {})
    options.pop("_instantiator", None)
    trained, named = options.get("_class_path"), named_model(argv)
    given = {*_strings(documents), *(word.rpartition("=")[2] for word in argv)}
    for class_path in _class_paths(options):
        if _is_vouched_for(class_path) or class_path in given:
            continue
        if trained and named:  # another model, as its weights will show
            return TrainedWith(str(path), trained, {}, foreign=True)
        raise CheckpointError(
            f"{path}: its hyperparameters name the class {class_path!r}, which no installed plugin "
            "registers; if you trust it, name it too, in the config or by an option."
        )
    return TrainedWith(str(path), options.pop("_class_path", None), options)


def named_model(argv: Sequence[str]) -> str | None:
    """Return the model class that a command line names, in an option or in a file."""
    if option := arguments.given_value(argv, "--model"):
        return option
    found = None
    for document in arguments.documents_of(argv):
        model = document.get("model")
        found = model if isinstance(model, str) else (model or {}).get("class_path", found)
    return found


def is_special_case(trained: str, configured: str) -> bool:
    """Whether a class is a proper subclass of another one; both are imported already."""
    return trained != configured and issubclass(import_class(trained), import_class(configured))


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=2**20)


def _is_writable(value: Any) -> bool:
    try:
        _dump(value)
    except yaml.YAMLError:  # a tensor among the hyperparameters; the model's default or the user's stands
        return False
    return True


def _plain(value: Any) -> Any:
    """Return a value as YAML has it, which knows neither tuples nor namespaces."""
    if isinstance(value, Namespace | Mapping):
        items = vars(value) if isinstance(value, Namespace) else value
        return {key: _plain(item) for key, item in items.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _say_differences(trained: Mapping[str, Any], configured: Any, key: str) -> None:
    for name, value in trained.items():
        if name not in configured:
            continue
        now = configured[name]
        where = f"{key}.{name}".replace(".init_args", "")
        if isinstance(value, Mapping) and hasattr(now, "__contains__") and not isinstance(now, str):
            if "class_path" in value and "class_path" in now and now["class_path"] != value["class_path"]:
                _say(where, now["class_path"], value["class_path"])
            else:
                _say_differences(value, now, where)
        elif _plain(now) != _plain(value):
            _say(where, _plain(now), _plain(value))


def _say(key: str, given: Any, trained: Any) -> None:
    sys.stderr.write(f"{key}: {given!r} as given; the checkpoint was trained with {trained!r}.\n")


def _class_paths(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in {"class_path", "_class_path"} and isinstance(inner, str):
                yield inner
            else:
                yield from _class_paths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _class_paths(inner)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(inner)


def _is_vouched_for(class_path: str) -> bool:
    module = class_path.rpartition(".")[0]
    registered = {component.import_path for _, component in host().components()}
    return class_path in registered or module in sys.modules or module.partition(".")[0] in TRUSTED_ROOTS

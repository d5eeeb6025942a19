"""What a model was trained with, taken from its checkpoint: below options and files, above defaults.

Lightning 2.6 lays a checkpoint's hyperparameters over the command line, so that
``fit --model.lr 0.7 --ckpt_path X`` trains with X's rate. Here what the user gave stands, and what
differs from the checkpoint is said in a line each. A checkpoint is data: a class that it names is
used only if a plugin registers it, or it is imported already.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonargparse import Namespace
from jsonargparse._link_arguments import skip_apply_links

from fulmen.checkpoints import load_checkpoint
from fulmen.errors import CheckpointError
from fulmen.host import host
from fulmen.names import import_class

TRUSTED_ROOTS = ("torch", "torchmetrics", "lightning", "pytorch_lightning")


def hyperparameters(path: str) -> dict[str, Any]:
    """Return the model's hyperparameters that a checkpoint holds, ``_class_path`` among them if known.

    Raises:
        CheckpointError: the file is no checkpoint, or names a class that nobody vouches for.
    """
    found = dict(load_checkpoint(path).get("hyper_parameters") or {})
    found.pop("_instantiator", None)
    for class_path in _class_paths(found):
        if not _is_vouched_for(class_path):
            raise CheckpointError(
                f"{path}: its hyperparameters name the class {class_path!r}, which no installed plugin "
                "registers; if you trust it, name it yourself (--model, or its key in a config)."
            )
    return found


def given(parser: Any, args: Any) -> Any:
    """Return what the user gave: the parsed config without defaults and without links, which need them."""
    parse = parser.parse_object if isinstance(args, dict | Namespace) else parser.parse_args
    with skip_apply_links():
        return parse(args, defaults=False)


def merge(parser: Any, config: Any, given: Any, path: str) -> Any:
    """Return ``config`` with the model options that only the checkpoint knows.

    Args:
        parser: The root parser.
        config: The parsed config, defaults included.
        given: What the user gave, no defaults.
        path: The checkpoint.

    Raises:
        SystemExit: the model does not take the checkpoint's options.
    """
    verb = config.subcommand
    options = hyperparameters(path)
    own = given.get(verb, {}).get("model") or {}
    own = own.as_dict() if hasattr(own, "as_dict") else dict(own) if isinstance(own, Mapping) else {}
    trained_as = options.pop("_class_path", None)
    if trained_as is not None and not _replaces(trained_as, own.get("class_path")):
        _say("model", own["class_path"], trained_as)
        return config
    own_options = own.get("init_args", {}) if trained_as is not None else own
    for key in own_options.keys() & options.keys():
        trained = options.pop(key)
        if own_options[key] != trained:
            _say(f"model.{key}", own_options[key], trained)
    if trained_as is not None:
        options = {"class_path": trained_as, "dict_kwargs": options}
    if not options:
        return config
    try:
        return parser.parse_object({verb: {"model": options}}, config)
    except SystemExit:
        sys.stderr.write("Parsing of ckpt_path hyperparameters failed!\n")
        raise


def _replaces(trained_as: str, named: str | None) -> bool:
    """Whether the class of the checkpoint stands: it is the named one, or a special case of it."""
    return named is None or named == trained_as or issubclass(import_class(trained_as), import_class(named))


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


def _is_vouched_for(class_path: str) -> bool:
    module = class_path.rpartition(".")[0]
    registered = {component.import_path for _, component in host().components()}
    return class_path in registered or module in sys.modules or module.partition(".")[0] in TRUSTED_ROOTS


def named_in(path: str | None) -> str | None:
    """Return the model class that a checkpoint file names, or None."""
    if path is None or not Path(path).is_file():
        return None
    name: str | None = hyperparameters(path).get("_class_path")
    return name

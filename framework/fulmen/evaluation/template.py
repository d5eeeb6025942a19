"""The config that candidates are laid over, and model, data and Runner built of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import ArgumentError
from lightning.pytorch.callbacks import Checkpoint, LearningRateMonitor
from lightning.pytorch.cli import LightningCLI
from torch import nn

from fulmen.config import messages, short_names
from fulmen.config.overlay import laid_over
from fulmen.config.parse_log import parse_log
from fulmen.config.parser import RunnerParser
from fulmen.errors import ConfigError
from fulmen.evaluation.hushing import hushed
from fulmen.runner import Runner
from fulmen.targets import load_target

# The search keeps logs and checkpoints itself, and shows one display for all.
TRAINER = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "strategy": "auto",
    "devices": 1,
    "num_nodes": 1,
}
_OF_THE_SEARCH = (Checkpoint, LearningRateMonitor)


class Template(LightningCLI):
    """Builds candidates; the parser, which takes a second to make, is made once.

    Args:
        config: The keys ``model``, ``data``, ``trainer``, ``optimizer``, ``lr_scheduler`` of a resolved
            config.

    Attributes:
        reference: The network of the config itself, untrained: what latencies are measured by.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        short_names.install()
        given = {key: value for key, value in config.items() if key != "seed_everything"}
        given["trainer"] = without_the_searchs(given.get("trainer") or {})
        with hushed(stderr=True):
            super().__init__(
                trainer_class=Runner,
                parser_class=RunnerParser,
                save_config_callback=None,
                seed_everything_default=False,
                args=given,
                run=False,
            )
            self._dump_config()
        self.plain: dict[str, Any] = self.config_dump  # with every default: what an overlay can name
        self.parser.exit_on_error = False
        self.reference: nn.Module = self.model

    def build(
        self, overlay: Mapping[str, Any], folder: Path, callbacks: list[pl.Callback]
    ) -> tuple[Runner, pl.LightningModule, pl.LightningDataModule | None]:
        """Return a Runner, a model and data with an overlay in place.

        Args:
            overlay: Dotted keys and values.
            folder: Where whatever is written goes.
            callbacks: Added to those of the config.

        Raises:
            ConfigError: a key does not exist, or a value is none that it takes.
        """
        config = laid_over(self.plain, {**overlay, "trainer.default_root_dir": str(folder)})
        parse_log.clear()
        with hushed(stderr=True):
            try:
                self.config = self.parser.parse_object(config)
            except ArgumentError as error:
                raise ConfigError(messages.shorten(str(error), self.parser, parse_log)) from error
            # Of it the model takes its hyperparameters: made anew. One that could not be built left none.
            vars(self).pop("config_dump", None)
            self.instantiate_classes()
        trainer, model, data = self.trainer, self.model, self.datamodule
        assert isinstance(trainer, Runner)
        trainer.callbacks.extend(callbacks)  # type: ignore[attr-defined]
        # Else they would be in memory beside the next candidate's.
        del self.trainer, self.model, self.datamodule, self.config_init
        return trainer, model, data


def make_template(config: Mapping[str, Any]) -> Template:
    """Return the template of a config: the setup of a search's tasks."""
    return Template(config)


def without_the_searchs(trainer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trainer's options without what the search does itself."""
    kept = {**trainer, **TRAINER}
    callbacks = kept.get("callbacks") or []
    callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    kept["callbacks"] = [callback for callback in callbacks if not _is_of_the_search(callback)]
    return kept


def _is_of_the_search(callback: Any) -> bool:
    path = callback.get("class_path") if isinstance(callback, Mapping) else callback
    module, _, name = str(path).rpartition(".")
    cls = load_target(f"{module}:{name}", f"callback {path}") if module else None
    return isinstance(cls, type) and issubclass(cls, _OF_THE_SEARCH)

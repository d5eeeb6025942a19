"""The ``fulmen`` command for the verbs that Lightning drives."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from argparse import SUPPRESS
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import LightningArgumentParser

from fulmen import exits
from fulmen.artifacts import require_writable
from fulmen.cli import FulmenCLI
from fulmen.config import arguments
from fulmen.errors import ConfigError
from fulmen.held_lines import HeldLines
from fulmen.host import host
from fulmen.log_lines import shown_lines
from fulmen.ranks import await_ranks
from fulmen.refusals import refused_run, refused_trainer
from fulmen.saved_config import SavedConfig

log = logging.getLogger(__name__)

PREFIX = "FULMEN"  # of environment variables: FULMEN_FIT__TRAINER__MAX_EPOCHS


def run(argv: Sequence[str]) -> int:
    """Run one of the verbs that Lightning drives; return the exit status."""
    with _importable_from_here(), shown_lines(quiet="--quiet" in argv):
        CommandCLI(argv)
    return 0


def _with_values(argv: Sequence[str]) -> list[str]:
    """Write out flags that stand for themselves, unless true or false follows: ``--fresh``, ``--dry_run``."""
    words: list[str] = []
    for word in argv:
        if words and words[-1] in {"--fresh=true", "--dry_run=true"} and word in {"true", "false"}:
            words[-1] = words[-1].replace("true", word)
        else:
            words.append(f"{word}=true" if word in {"--fresh", "--dry_run"} else word)
    return words


class CommandCLI(FulmenCLI):
    """The ``fulmen`` command: beyond FulmenCLI, options win over files wherever they stand.

    Args:
        argv: The command line, without the program's name. Two words stand for themselves:
            ``--fresh`` (and ``--dry_run``), and ``--quiet`` (no progress bar, no summaries, warnings only).
    """

    def __init__(self, argv: Sequence[str]) -> None:
        self._quiet = "--quiet" in argv
        argv = _with_values([word for word in argv if word != "--quiet"])
        verbs = self.subcommands()
        with exits.exit_statuses():
            verb = arguments.split(argv).verb
            arranged = arguments.arrange(argv, verbs)
        if verb in verbs:  # building the parsers of the other verbs takes a second; no lambda, for ddp_spawn
            self.subcommands = partial(dict, {verb: verbs[verb]})  # type: ignore[method-assign]
        by_environment = any(name.startswith(f"{PREFIX}_{str(verb).upper()}__") for name in os.environ)
        for fault in host().faults:
            log.warning("%s", fault)
        with _less_noise(self._quiet), HeldLines() as held:
            defaults: dict[str, Any] = {"callbacks": [held]}
            if self._quiet:
                defaults |= {"enable_progress_bar": False, "enable_model_summary": False}
            super().__init__(
                args=arranged,
                save_config_callback=SavedConfig,
                trainer_defaults=defaults,
                parser_kwargs={
                    "prog": "fulmen",
                    "env_prefix": PREFIX,
                    "default_env": by_environment,
                    "allow_abbrev": False,
                },
            )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Return a parser whose help names ``--quiet``, which the command takes out beforehand."""
        parser = super().init_parser(**kwargs)
        what = "No progress bar and no summaries; warnings and errors only."
        parser.add_argument("--quiet", action="store_true", dest=SUPPRESS, default=SUPPRESS, help=what)
        return parser

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        return {**kwargs, "quiet": True} if self._quiet and subcommand in {"analyze", "search"} else kwargs

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[pl.Callback]) -> pl.Trainer:
        if self._quiet:  # a config that was written out holds nulls, which are no wish
            silent = {"enable_progress_bar": False, "enable_model_summary": False}
            config |= {key: value for key, value in silent.items() if config.get(key) is None}
        try:
            trainer: pl.Trainer = super()._instantiate_trainer(config, callbacks)
        except (MisconfigurationException, ValueError, TypeError, ModuleNotFoundError) as error:
            raise refused_trainer(error) from error
        return trainer

    def _run_subcommand(self, subcommand: str) -> None:
        if not getattr(self.trainer, "fast_dev_run", False):
            _require_writable_roots(self.trainer)
        if self._get(self.config, "ckpt_path") == "best":
            raise ConfigError(
                "ckpt_path: 'best' is known only to the run that trained; give the path of a checkpoint."
            )
        if subcommand not in {"fit", "search"}:
            self._say_if_untrained(subcommand)
        try:
            super()._run_subcommand(subcommand)
        except Exception as error:
            if (refusal := refused_run(error, self.trainer, subcommand)) is None:
                raise
            raise refusal from error
        await_ranks(self.trainer)

    def _say_if_untrained(self, subcommand: str) -> None:
        """A forgotten checkpoint looks like a bad model: the figures come all the same."""
        model = self.model
        if model is None or self._get(self.config, "ckpt_path") or not self.trainer.is_global_zero:
            return
        if any(True for _ in model.parameters()):
            log.warning(
                "%s: no ckpt_path is given; the model has the weights that it was built with.", subcommand
            )


@contextlib.contextmanager
def _importable_from_here() -> Iterator[None]:
    """Let a config name the classes of modules in the working directory, as under ``python script.py``.

    They come last: a file there that is called like a library takes no library's place.
    """
    here = str(Path.cwd())
    if here in sys.path or "" in sys.path:
        yield
        return
    sys.path.append(here)
    try:
        yield
    finally:
        sys.path.remove(here)


def _require_writable_roots(trainer: pl.Trainer) -> None:
    """Refuse a folder that cannot be written before the training that would be lost."""
    folders = [trainer.default_root_dir, *(logger.save_dir for logger in trainer.loggers)]
    for folder in {str(folder) for folder in folders if folder and "://" not in str(folder)}:
        nearest = Path(folder).absolute()
        while not nearest.exists():
            nearest = nearest.parent
        require_writable(nearest)


@contextlib.contextmanager
def _less_noise(quiet: bool) -> Iterator[None]:
    """Drop Lightning's advertisement of its own services, and warnings that ask for nothing."""

    def keep(record: logging.LogRecord) -> bool:
        return not any(word in record.getMessage() for word in ("litlogger", "litmodels"))

    rank_zero = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    libraries = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [library.level for library in libraries]
    rank_zero.addFilter(keep)
    with warnings.catch_warnings():
        for message in (
            r".*treespec, LeafSpec.*",  # Lightning warns itself
            "No seed found.*",  # the next line says which was taken
            "Checkpoint directory .* exists and is not empty.*",  # nothing in it is written over
            "LightningCLI's args parameter.*",  # sys.argv stays as it is, for ranks to be started by
        ):
            warnings.filterwarnings("ignore", message=message)
        in_full, warnings.formatwarning = warnings.formatwarning, _warning_in_a_line
        try:
            for library in libraries if quiet else ():
                library.setLevel(logging.WARNING)
            yield
        finally:
            warnings.formatwarning = in_full
            rank_zero.removeFilter(keep)
            for library, level in zip(libraries, levels, strict=True):
                library.setLevel(level)


def _warning_in_a_line(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Give a warning without the line of source it came from, which tells a user nothing."""
    return f"{category.__name__}: {message}\n"

"""FulmenCLI: LightningCLI with short names, checked input, one-line errors, ``analyze`` and ``search``."""

from __future__ import annotations

import contextlib
import inspect
import io
import logging
import shlex
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from fulmen import exits
from fulmen.config import arguments, checkpoint_options, nulls, short_names
from fulmen.config.parse_log import parse_log
from fulmen.config.parser import CheckedConfigFile, RunnerParser
from fulmen.config.places import placed
from fulmen.errors import CheckpointError, DataError, PluginError, UserError
from fulmen.host import host
from fulmen.runner import Runner
from fulmen.search.objectives import parse as parse_objectives
from fulmen.seeds import run_seed

log = logging.getLogger(__name__)


class FulmenCLI(LightningCLI):
    """LightningCLI with fulmen's Runner; the parameters are LightningCLI's.

    In a script of yours it behaves as LightningCLI does, and takes the names of installed components
    wherever a class is expected. ``trainer_class`` defaults to `Runner`, ``parser_class`` to
    `RunnerParser`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = inspect.signature(LightningCLI.__init__).bind(self, *args, **kwargs).arguments
        given.pop("self")
        given.setdefault("trainer_class", Runner)
        given.setdefault("parser_class", RunnerParser)
        short_names.install()
        parse_log.clear()
        self._verb: str | None = None
        with exits.exit_statuses():
            super().__init__(**given)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Return the verbs, and which of their arguments the command line does not take."""
        return {
            **LightningCLI.subcommands(),
            "analyze": {"model", "datamodule", "quiet", "config"},
            "search": {"quiet", "config"},
        }

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Return a parser whose ``--config`` looks at each file before it is parsed."""
        kwargs.setdefault("dump_header", [f"lightning.pytorch=={version('lightning')}"])
        parser = self.parser_class(**kwargs)
        parser.add_argument(
            "-c",
            "--config",
            action=CheckedConfigFile,
            help="Path to a configuration file in json or yaml format.",
        )
        return parser

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add trainer, model and data; an analysis may do without a model."""
        if self._verb != "analyze":
            super().add_core_arguments_to_parser(parser)
            return
        parser.add_lightning_class_args(self.trainer_class, "trainer")
        defaults = {
            f"trainer.{key}": value for key, value in self.trainer_defaults.items() if key != "callbacks"
        }
        parser.set_defaults(defaults)
        for base, key, subclasses in (
            (self._model_class, "model", self.subclass_mode_model),
            (self._datamodule_class, "data", self.subclass_mode_data),
        ):
            parser.add_lightning_class_args(base, key, subclass_mode=subclasses, required=False)

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        absent = {verb for verb in ("analyze", "search") if not hasattr(self.trainer_class, verb)}
        if not (self.subclass_mode_model and self.subclass_mode_data):
            absent.add("search")  # a candidate is laid over a config that says which classes are meant
        if absent:
            verbs = {verb: skip for verb, skip in self.subcommands().items() if verb not in absent}
            self.subcommands = partial(dict, verbs)  # type: ignore[method-assign]
        super()._add_subcommands(parser, **kwargs)

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        self._verb = subcommand
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if isinstance(parser, RunnerParser):
            own = set(inspect.signature(getattr(klass, subcommand)).parameters)
            parser.first = frozenset(own - self.subcommands()[subcommand])
        return parser

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the arguments; a checkpoint's options count as a file before all others."""
        self._trained_with: checkpoint_options.TrainedWith | None = None
        self._parse(parser, args)
        self._given = parse_log.kept()  # a search's candidates are parsed too

    def _parse(self, parser: LightningArgumentParser, args: Any) -> None:
        if isinstance(args, dict | Namespace):
            super().parse_arguments(parser, args)
            return
        argv = list(sys.argv[1:] if args is None else args)
        parse_log.options += [word.partition("=")[0][2:] for word in argv if word.startswith("--")]
        if parser._subcommands_action is None:
            super().parse_arguments(parser, args)
            return
        self._trained_with = checkpoint_options.find(argv)
        if self._trained_with is None:
            super().parse_arguments(parser, args)
            return
        named = checkpoint_options.named_model(argv)
        trained = self._trained_with.as_config(named, self.subclass_mode_model)
        words = arguments.after_verb(argv, ["--config", trained]) if trained else argv
        try:
            self.config = parser.parse_args(words)
        except SystemExit as refusal:
            if refusal.code and trained and _parses(parser, argv):
                sys.stderr.write("Parsing of ckpt_path hyperparameters failed!\n")
            raise

    def _parse_ckpt_path(self) -> None:
        """Take the model's class from the checkpoint where it is a special case of the configured one."""
        if self._trained_with is None:
            super()._parse_ckpt_path()
            return
        model = self.config[self.config.subcommand].get("model")
        trained = self._trained_with.class_path
        configured = model.get("class_path") if model is not None else None
        if (
            trained
            and configured
            and not self._trained_with.foreign
            and checkpoint_options.is_special_case(trained, configured)
        ):
            # As Lightning's own tests have it: --model=Base goes on with the trained subclass of Base.
            options = {"class_path": trained, "dict_kwargs": dict(self._trained_with.options)}
            verb = self.config.subcommand
            self.config = self.parser.parse_object({verb: {"model": options}}, self.config)
        elif model is not None:
            self._trained_with.say_differences(model)

    def instantiate_classes(self) -> None:
        """Build what the verb works with; a search builds its models and data itself, one per candidate."""
        with self._told_by_place():
            self._instantiate_classes()

    @contextlib.contextmanager
    def _told_by_place(self) -> Iterator[None]:
        """Have what is refused of the config name the file and the key where it stands."""
        try:
            yield
        except UserError as error:
            if isinstance(error, PluginError | CheckpointError | DataError):  # they name what it is about
                raise
            config = self.config.get(self.subcommand or "", self.config)
            error.args = (placed(error, config, self._given),)
            raise

    def _instantiate_classes(self) -> None:
        nulls.check(self.config.get(self.subcommand or "", self.config))
        if self.subcommand == "search":
            self._dump_config()
            parse_objectives(self.config_dump["objectives"])  # before a searcher that is told of them
            self.config = self.config.clone()
            for key in ("model", "data", "optimizer", "lr_scheduler"):
                if key in self.config["search"]:
                    self.config["search"][key] = None
            _tell_searcher(self.config["search"])
            # Plain data for the workers; what stands under class_path there would be built here.
            self.config["search"]["objectives"] = []
        super().instantiate_classes()

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand == "search":
            del kwargs["model"]
            kwargs["objectives"] = self.config_dump["objectives"]
            changes_nothing = {"run", "fresh", "engine", "budget", "final", "checkpoints_mb", "dry_run"}
            kwargs["config"] = {k: v for k, v in self.config_dump.items() if k not in changes_nothing}
        if subcommand == "analyze":
            self._dump_config()
            kwargs["config"] = {
                k: v for k, v in self.config_dump.items() if k not in {"run", "fresh", "engine"}
            }
        return kwargs

    def _run_subcommand(self, subcommand: str) -> None:
        with self._run_hooks(), self._exit_statuses(subcommand), self._told_by_place():
            super()._run_subcommand(subcommand)

    @contextlib.contextmanager
    def _run_hooks(self) -> Iterator[None]:
        """Call the plugins' ``fulmen_run_start`` and ``fulmen_run_end``."""
        _warn(host().call_each("fulmen_run_start", run=self.trainer))
        status: str = "failed"
        failure: BaseException | None = None
        try:
            yield
            status = "done"
        except BaseException as error:
            failure = error
            if isinstance(error, SystemExit) and error.code in {exits.INTERRUPTED, exits.TERMINATED}:
                status = "interrupted"
            raise
        finally:
            _warn(host().call_each("fulmen_run_end", run=self.trainer, status=status, error=failure))

    @contextlib.contextmanager
    def _exit_statuses(self, subcommand: str) -> Iterator[None]:
        """Give Ctrl-C and SIGTERM the statuses 130 and 143 (Lightning 2.6: 1 and 0)."""
        try:
            yield
        except SIGTERMException as error:
            _say_how_to_go_on(self.trainer, subcommand, "terminated")
            raise SystemExit(exits.TERMINATED) from error
        except (SystemExit, KeyboardInterrupt) as error:
            if isinstance(error, SystemExit) and not getattr(self.trainer, "interrupted", False):
                raise
            _say_how_to_go_on(self.trainer, subcommand, "interrupted")
            raise SystemExit(exits.INTERRUPTED) from error


def _tell_searcher(config: Namespace) -> None:
    """Give a searcher that has these options the search's objectives and seed, unless its own config does."""
    options = config["searcher"].get("init_args") or {}
    if "seed" in options and options["seed"] is None:
        options["seed"] = run_seed()
    if "objectives" in options and options["objectives"] is None:
        given = config.get("objectives") or []
        options["objectives"] = [
            {key: one[key] for key in ("name", "mode", "bound") if key in one} for one in given
        ]


def _parses(parser: LightningArgumentParser, argv: Sequence[str]) -> bool:
    """Whether a command line parses; silent."""
    with contextlib.redirect_stderr(io.StringIO()):
        try:
            parser.parse_args(list(argv))
        except SystemExit:
            return False
    return True


def _say_how_to_go_on(trainer: pl.Trainer, verb: str, what: str) -> None:
    if not trainer.is_global_zero:
        return
    callback = trainer.checkpoint_callback
    kept = getattr(callback, "last_model_path", "") or getattr(callback, "best_model_path", "")
    line = f"{what}; no checkpoint was saved yet." if verb == "fit" else f"{what}."
    if verb in {"analyze", "search"}:
        line = f"{what}; the same command goes on where it was."
    elif kept and verb == "fit":
        line = f"{what}; go on with: {_command_line()} --ckpt_path {shlex.quote(kept)}"
    sys.stderr.write(f"{line}\n")


def _command_line() -> str:
    program = Path(sys.argv[0]).name
    words = ["python", "-m", "fulmen"] if program == "__main__.py" else [program]
    return shlex.join([*words, *arguments.without(sys.argv[1:], "--ckpt_path")])


def _warn(lines: Sequence[str]) -> None:
    for line in lines:
        log.warning("%s", line)

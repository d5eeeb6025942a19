"""The Runner: a Lightning Trainer that takes components by short name and can also analyze."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import logging
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Union

from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.strategies import Strategy, StrategyRegistry
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.seed import isolate_rng

from fulmen import names
from fulmen.analysis import AnalysisContext, Analyzer, Report
from fulmen.checkpoints import (
    CheckpointConnector,
    check_state_dict,
    find_latest,
    install_checkpoint_io,
    load_checkpoint,
    no_last_checkpoint,
)
from fulmen.config.analyzer_option import require_analyzer
from fulmen.costs.measuring import check as check_cost
from fulmen.engines.inline import InlineEngine
from fulmen.engines.kept_map import KeptMap
from fulmen.engines.processes import ProcessesEngine
from fulmen.errors import ConfigError, FulmenError, PluginError, UserError
from fulmen.held_lines import HeldLines
from fulmen.ranks import supervise
from fulmen.reports import deliver, redact, versions
from fulmen.reports.growing import FrontLogger
from fulmen.runs import RunDirectory, digest_of, open_run
from fulmen.search.budget import Budget
from fulmen.search.estimate import dry_run as estimate
from fulmen.search.fidelity import Fidelity, Final, require_validation
from fulmen.search.interruption import Terminated
from fulmen.search.objectives import parse as parse_objectives
from fulmen.search.session import Session
from fulmen.searching import Engine, Objective, Searcher
from fulmen.seeds import run_seed
from fulmen.study import Study

# The parts of a config that candidates are laid over.
TEMPLATE_KEYS = ("model", "data", "trainer", "optimizer", "lr_scheduler")

log = logging.getLogger(__name__)


class Runner(Trainer):
    """A Lightning Trainer; see ``lightning.pytorch.Trainer`` for its parameters.

    Beyond it: ``strategy`` may be the short name of a plugin's strategy, checkpoints are written
    whole or not at all (unless ``plugins`` has a CheckpointIO) and loaded as data, a multi-process
    run ends when one of its ranks fails, and there is the verb `analyze`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = inspect.signature(Trainer.__init__).bind(self, *args, **kwargs).arguments
        given.pop("self")
        if isinstance(given.get("strategy"), str):
            given["strategy"] = _strategy(given["strategy"])
        self._chose_loggers = given.get("logger") not in (None, True)
        super().__init__(**given)
        install_checkpoint_io(self.strategy)
        self._checkpoint_connector = CheckpointConnector(self)
        supervise(self)

    def analyze(
        self,
        analyzer: Analyzer,
        model: LightningModule | None = None,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
        run: str | Path | None = None,
        fresh: bool = False,
        quiet: bool = False,
        config: Mapping[str, Any] | None = None,
        engine: Engine | None = None,
    ) -> Report:
        """Examine a model or data and report what was found.

        Args:
            analyzer: What examines.
            model: What is examined; analyzers say whether they need one.
            datamodule: The data; analyzers say whether they need any.
            ckpt_path: The checkpoint whose weights the model gets; ``last`` is the newest of the
                earlier runs of this config.
            run: The folder of this run; by default runs/analyze-<digest>. An unfinished run is
                continued; a finished one is left alone and the next number is taken.
            fresh: Start anew even if there is an unfinished run.
            quiet: Print no summary.
            config: The resolved config, which names the run; the command line gives it.
            engine: Where the pieces of the analysis run, ``inline`` by default; it is closed at the end.

        Returns:
            The report; it is also in the run's folder, in the loggers and on the terminal.
        """
        checkpoint = None
        if ckpt_path == "last" and (ckpt_path := find_latest(self)) is None:
            raise no_last_checkpoint(self)
        if ckpt_path is not None:
            checkpoint = load_checkpoint(ckpt_path)
            model = _with_weights(model, checkpoint, ckpt_path)
        name = type(analyzer).__name__
        identity = {**(config or {"analyzer": name}), "versions": versions()}
        if ckpt_path is not None:
            identity["checkpoint_sha256"] = hashlib.sha256(Path(ckpt_path).read_bytes()).hexdigest()
        directory = open_run("analyze", identity, run, fresh, shown=redact(identity))
        engine = engine or InlineEngine()
        engine.output = directory.path.absolute() / "workers"
        try:
            with directory.logging(), isolate_rng():
                context = self._context(model, datamodule, checkpoint, directory, engine)
                try:
                    report = analyzer.analyze(context)
                except UserError:
                    if not directory.has_work:
                        directory.forget()
                    raise
            self._release_held_lines()
            deliver(
                report,
                directory.path,
                name=_tag(analyzer),
                loggers=self._loggers_of(directory),
                provenance=identity,
                quiet=quiet,
            )
            directory.finish()
        finally:
            engine.close()
            directory.close()
        return report

    def search(
        self,
        searcher: Searcher,
        objectives: list[dict[str, Any]],
        engine: Engine | None = None,
        budget: Budget = Budget(),  # noqa: B008  (never changed)
        fidelity: Fidelity = Fidelity(),  # noqa: B008
        final: Final | None = None,
        checkpoints_mb: float = 1024.0,
        run: str | Path | None = None,
        fresh: bool = False,
        dry_run: bool = False,
        quiet: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> Report:
        """Search for candidates that are the best by several objectives.

        Args:
            searcher: Proposes candidates: values that are laid over the config.
            objectives: What is optimised, each as ``{name, mode: max|min, source, bound}``; the source is
                ``{metric: val_f1}``, ``{cost: latency}`` (also flops, parameters, peak_memory) or
                ``{analyzer: {class_path, init_args}, scalar: KEY}``.
            engine: Where candidates are evaluated, ``processes`` by default; it is closed at the end.
            budget: How long the search goes on. A larger one extends a finished search.
            fidelity: What candidates are trained with.
            final: What the best are trained with at the end; None: they are not.
            checkpoints_mb: What the candidates' checkpoints may take on the disk, MB; the front's are kept
                whatever they take.
            run: The folder of this run; by default runs/search-<digest>. The same command goes on where it
                was.
            fresh: Start anew even if there is such a search.
            dry_run: Say what the search would cost, by two candidates that are not kept.
            quiet: Show nothing.
            config: The resolved config that candidates are laid over (model, data, trainer); the command
                line gives it.

        Returns:
            The report; it is also in the run's folder, in the loggers and on the terminal.
        """
        if config is None or not config.get("model"):
            raise UserError("search: there is no model to lay candidates over; set --model.")
        if self.world_size > 1:
            raise UserError(
                f"search: trainer.devices x nodes is {self.world_size}; a candidate trains in one process: "
                "set trainer.devices to 1 and engine.workers to how many train at once."
            )
        if not checkpoints_mb >= 0:
            raise ConfigError(f"checkpoints_mb: expected 0 or more, got {checkpoints_mb:g}.")
        parsed = parse_objectives(objectives)
        for objective in parsed:
            _require_source(objective)
        require_validation(parsed, fidelity, final, config.get("trainer") or {})
        if budget.evaluations is None and budget.minutes is None:
            log.warning("search: the budget has no limit; it goes on until `fulmen studies stop` or Ctrl-C.")
        engine = engine or ProcessesEngine()
        template = {key: value for key, value in config.items() if key in TEMPLATE_KEYS and value is not None}
        searcher.check(template)
        identity = {
            **config,
            "searcher": config.get("searcher", type(searcher).__name__),
            "objectives": [dataclasses.asdict(objective) for objective in parsed],
            "fidelity": dataclasses.asdict(fidelity),
        }
        begin = partial(
            Session,
            config=template,
            searcher=searcher,
            engine=engine,
            objectives=parsed,
            budget=budget,
            fidelity=fidelity,
            final=final,
            seed=run_seed(),
            checkpoints_mb=checkpoints_mb,
        )
        try:
            if dry_run:
                return _estimated(begin)
            shown = redact({**identity, "versions": versions()})
            directory = open_run("search", identity, run, fresh, shown=shown, extend=True)
            engine.output = directory.path.absolute() / "workers"
            try:
                return self._searched(begin, directory, identity, quiet)
            except (KeyboardInterrupt, SIGTERMException):
                if fresh:
                    log.warning("search: without --fresh, and with --run %s, it goes on.", directory.path)
                raise
            finally:
                directory.close()
        finally:
            engine.close()

    def _searched(
        self, begin: Callable[..., Session], directory: RunDirectory, identity: dict[str, Any], quiet: bool
    ) -> Report:
        """Search in a run's folder, and deliver the report."""
        with directory.logging(), Study.open(directory.path, digest_of(identity)) as study:
            loggers = self._loggers_of(directory)
            growing = FrontLogger(loggers)
            session = begin(
                directory.path,
                on_front=growing,
                quiet=quiet,
                on_end=growing.candidates,
                on_result=self._release_held_lines,
            )
            before = study.results
            try:
                report, finished = session.run(study)
            except Terminated as terminated:
                raise SIGTERMException from terminated
            except UserError:
                if study.results == before:
                    directory.forget()
                raise
        effort = {  # decides how far the search went, not what it is
            "budget": dataclasses.asdict(session.budget),
            "final": session.final and dataclasses.asdict(session.final),
            "engine": {"class": type(session.engine).__name__, "workers": session.engine.slots},
        }
        provenance = {**identity, **effort, "versions": versions()}
        deliver(report, directory.path, name="search", loggers=loggers, provenance=provenance, quiet=quiet)
        directory.finish("done" if finished else "stopped")
        if finished and not (report.tables["candidates"]["status"] == "ok").any():
            raise FulmenError(f"search: no candidate has values. {report.findings[-1]}")
        return report

    def examine(
        self,
        analyzer: Analyzer,
        model: LightningModule,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | Path | None = None,
    ) -> Report:
        """Return an analyzer's report of a model as it is here; nothing is shown and no run is begun.

        Args:
            analyzer: What examines.
            model: What is examined, with the weights that it has.
            datamodule: The data.
            ckpt_path: A checkpoint of the model as it is, for what it holds beside the weights.
        """
        checkpoint = None if ckpt_path is None else load_checkpoint(ckpt_path)
        folder = Path(self.default_root_dir)
        engine = InlineEngine()
        device = self.strategy.root_device
        training, before = model.training, model.device
        try:
            context = AnalysisContext(
                model=model.to(device).eval(),
                datamodule=datamodule,
                runner=self,
                run_dir=folder,
                seed=run_seed(),
                device=device,
                checkpoint=checkpoint,
                mapper=KeptMap(engine, folder / "pieces"),
            )
            return analyzer.analyze(context).checked()
        finally:
            model.to(before).train(training)
            engine.close()

    def _release_held_lines(self) -> None:
        """Let Lightning's lines of the start appear: before the report, not after it."""
        for callback in self.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, HeldLines):
                callback.release()

    def _loggers_of(self, directory: RunDirectory) -> list[Logger]:
        """Return the user's loggers; by default TensorBoard beside the report, not in lightning_logs."""
        if self._chose_loggers:
            return list(self.loggers)
        return [TensorBoardLogger(directory.path, name="", version="")]

    def _context(
        self,
        model: LightningModule | None,
        datamodule: LightningDataModule | None,
        checkpoint: Mapping[str, Any] | None,
        directory: RunDirectory,
        engine: Engine,
    ) -> AnalysisContext:
        device = self.strategy.root_device
        if model is not None:
            model.to(device).eval()
        return AnalysisContext(
            model=model,
            datamodule=datamodule,
            runner=self,
            run_dir=directory.path,
            seed=run_seed(),
            device=device,
            checkpoint=checkpoint,
            mapper=KeptMap(engine, directory.path / "pieces"),
        )


def _estimated(begin: Callable[..., Session]) -> Report:
    """Print what a search would cost, by two candidates that are not kept."""
    with tempfile.TemporaryDirectory() as folder:
        lines = estimate(begin(Path(folder), quiet=True))
    for line in lines:
        print(line)  # noqa: T201
    return Report(title="dry run", findings=lines)


def _require_source(objective: Objective) -> None:
    """Refuse an objective whose cost or analyzer there is not, before any work."""
    source = objective.source
    if "cost" in source:
        options = source.get("options") or {}
        if not isinstance(options, Mapping):
            raise ConfigError(f"objectives: {objective.name!r}: options: expected keys, got {options!r:.60}.")
        check_cost(str(source["cost"]), options)
    elif "analyzer" in source:
        require_analyzer(source["analyzer"], f"objectives: {objective.name!r}")


def _strategy(name: str) -> str | Strategy:
    """Return the strategy of a plugin that a name means, or the name if it is one of Lightning's."""
    known = [*StrategyRegistry.available_strategies(), "auto"]
    if name in known:
        return name
    if path := names.find("strategy", name):
        strategy: Strategy = names.import_class(path)()
        return strategy
    if "." not in name:
        raise PluginError(f"trainer.strategy: {names.explain_unknown('strategy', name, known)}")
    return name


def _with_weights(
    model: LightningModule | None, checkpoint: dict[str, Any], path: str | Path
) -> LightningModule:
    if model is None:
        raise UserError(
            f"{path}: a checkpoint is given but no model that could take its weights; set --model."
        )
    model.on_load_checkpoint(checkpoint)
    check_state_dict(model, checkpoint, path)
    model.load_state_dict(checkpoint["state_dict"])
    return model


def _tag(analyzer: Analyzer) -> str:
    """Return where an analyzer's figures stand in loggers: ``<plugin>/<name>`` or its class name."""
    found = names.name_of(type(analyzer))
    return found or type(analyzer).__name__


# jsonargparse and people see Trainer's parameters; the options of the YAML are made from them.
_parameters = [
    # The class stands before str, or jsonargparse would take every name as a plain string.
    p.replace(annotation=Union[Strategy, str]) if p.name == "strategy" else p  # noqa: UP007
    for p in inspect.signature(Trainer.__init__).parameters.values()
]
Runner.__init__.__doc__ = Trainer.__init__.__doc__
Runner.__init__.__signature__ = inspect.Signature(_parameters)  # type: ignore[attr-defined]
Runner.__init__.__annotations__ = {p.name: p.annotation for p in _parameters if p.name != "self"}

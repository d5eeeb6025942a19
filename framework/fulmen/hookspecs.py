"""What a plugin may offer: three records and five hooks. This file is the whole contract.

A plugin is a module found through the entry-point group ``fulmen``::

    # pyproject.toml
    [project.entry-points.fulmen]
    hello = "fulmen_hello.plugin"

It names things as strings, so that listing what is installed imports nothing heavy. It may carry
``FULMEN_API = 1``, the contract version it was written for (absent means 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from fulmen.runner import Runner

API_VERSION = 1
PROJECT = "fulmen"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True)
class Component:
    """One class that a plugin offers under a short name.

    Attributes:
        kind: ``callback``, ``strategy``, ``model``, ... or a kind that a plugin opened.
        name: The short name, an identifier without dots, unique in its plugin and kind.
        target: Where the class is: ``"package.module:Class"``. Imported when it is named.
        summary: One sentence for ``fulmen plugins``.
        extra: The optional dependency of the plugin's distribution that the class needs, or None.
    """

    kind: str
    name: str
    target: str
    summary: str
    extra: str | None = None

    @property
    def import_path(self) -> str:
        """The target as a dotted path, as ``class_path`` takes it."""
        return self.target.replace(":", ".")


@dataclass(frozen=True)
class Kind:
    """A kind of component: its name, its base class as an import string, one sentence."""

    name: str
    base: str
    summary: str


@dataclass(frozen=True)
class Command:
    """A command of a plugin, reached as ``fulmen <plugin> <name>``.

    Attributes:
        name: The command's name.
        target: ``"package.module:function"``. Its typed parameters and docstring become options.
        summary: One sentence for ``--help``.
    """

    name: str
    target: str
    summary: str


CORE_KINDS = (
    Kind(
        "strategy", "lightning.pytorch.strategies:Strategy", "How a Trainer runs over processes and devices."
    ),
    Kind("callback", "lightning.pytorch.callbacks:Callback", "Code that hooks into a Trainer's loop."),
    Kind("searcher", "fulmen.searching:Searcher", "Proposes candidates and learns from their evaluation."),
    Kind("analyzer", "fulmen.analysis:Analyzer", "Examines a model or data and writes a report."),
    Kind("engine", "fulmen.searching:Engine", "Runs independent tasks: here, in processes, on a cluster."),
    Kind("model", "lightning.pytorch:LightningModule", "A model with its training step."),
    Kind("network", "torch.nn:Module", "A network that a model is built around."),
    Kind("data", "lightning.pytorch:LightningDataModule", "A data set with its loaders."),
)

CORE_COMPONENTS = (
    Component("engine", "inline", "fulmen.engines.inline:InlineEngine", "Runs tasks in this process."),
    Component(
        "engine",
        "processes",
        "fulmen.engines.processes:ProcessesEngine",
        "Runs tasks in persistent worker processes of this machine.",
    ),
    Component(
        "engine",
        "ray",
        "fulmen.engines.ray_engine:RayEngine",
        "Runs tasks in worker processes on the machines of a Ray cluster.",
        extra="ray",
    ),
)


class HookSpecs:
    """The hooks. Each is optional; an unknown hook name is an error of the plugin."""

    @hookspec
    def fulmen_components(self) -> list[Component]:  # type: ignore[empty-body]
        """Name the components that the plugin offers.

        Example::

            @fulmen.hookimpl
            def fulmen_components():
                return [fulmen.Component(kind="callback", name="greet",
                                         target="fulmen_hello.callbacks:Greet",
                                         summary="Greets at the start of each epoch.")]
        """

    @hookspec
    def fulmen_kinds(self) -> list[Kind]:  # type: ignore[empty-body]
        """Open a kind of component of the plugin's own, which other plugins may then fill.

        Example::

            @fulmen.hookimpl
            def fulmen_kinds():
                return [fulmen.Kind(name="gene", base="fulmen_evolution.genes:Gene",
                                    summary="A layer that evolution can add, mutate and cost.")]
        """

    @hookspec
    def fulmen_commands(self) -> list[Command]:  # type: ignore[empty-body]
        """Add commands, reached as ``fulmen <plugin> <command>``.

        Example::

            @fulmen.hookimpl
            def fulmen_commands():
                return [fulmen.Command(name="verify", target="fulmen_hello.files:verify",
                                       summary="Check a file that the plugin wrote.")]
        """

    @hookspec
    def fulmen_run_start(self, run: Runner) -> None:
        """Act when a verb is about to start; ``run`` is the Runner, with everything instantiated.

        Example::

            @fulmen.hookimpl
            def fulmen_run_start(run):
                print("starting in", run.default_root_dir)
        """

    @hookspec
    def fulmen_run_end(self, run: Runner, status: str, error: BaseException | None) -> None:
        """Act when a verb has ended; ``status`` is ``done``, ``failed`` or ``interrupted``.

        Example::

            @fulmen.hookimpl
            def fulmen_run_end(run, status, error):
                print("ended:", status)
        """

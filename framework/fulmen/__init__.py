"""fulmen: a PyTorch Lightning runner whose parts come from plugins, composed by YAML.

This file is the list of public names. ``import fulmen`` imports neither torch nor Lightning.
"""

from typing import TYPE_CHECKING

from fulmen.lazy import table_of_contents

if TYPE_CHECKING:
    from fulmen.analysis.contract import AnalysisContext as AnalysisContext
    from fulmen.analysis.contract import Analyzer as Analyzer
    from fulmen.analysis.figures import new_figure as new_figure
    from fulmen.analysis.report import Report as Report
    from fulmen.artifacts import write_artifact as write_artifact
    from fulmen.checkpoints import load_checkpoint as load_checkpoint
    from fulmen.cli import FulmenCLI as FulmenCLI
    from fulmen.engines.running import TaskRunner as TaskRunner
    from fulmen.errors import UserError as UserError
    from fulmen.hookspecs import Command as Command
    from fulmen.hookspecs import Component as Component
    from fulmen.hookspecs import Kind as Kind
    from fulmen.hookspecs import hookimpl as hookimpl
    from fulmen.loading import ResumableLoader as ResumableLoader
    from fulmen.progressing import progress as progress
    from fulmen.runner import Runner as Runner
    from fulmen.searching import Candidate as Candidate
    from fulmen.searching import Engine as Engine
    from fulmen.searching import Evaluation as Evaluation
    from fulmen.searching import Objective as Objective
    from fulmen.searching import Outcome as Outcome
    from fulmen.searching import Searcher as Searcher
    from fulmen.searching import Task as Task
    from fulmen.seeds import keyed_generator as keyed_generator

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "AnalysisContext": "fulmen.analysis.contract",
        "Analyzer": "fulmen.analysis.contract",
        "Candidate": "fulmen.searching",
        "Command": "fulmen.hookspecs",
        "Component": "fulmen.hookspecs",
        "Engine": "fulmen.searching",
        "Evaluation": "fulmen.searching",
        "FulmenCLI": "fulmen.cli",
        "Kind": "fulmen.hookspecs",
        "Objective": "fulmen.searching",
        "Outcome": "fulmen.searching",
        "Report": "fulmen.analysis.report",
        "ResumableLoader": "fulmen.loading",
        "Runner": "fulmen.runner",
        "Searcher": "fulmen.searching",
        "Task": "fulmen.searching",
        "TaskRunner": "fulmen.engines.running",
        "UserError": "fulmen.errors",
        "hookimpl": "fulmen.hookspecs",
        "keyed_generator": "fulmen.seeds",
        "load_checkpoint": "fulmen.checkpoints",
        "new_figure": "fulmen.analysis.figures",
        "progress": "fulmen.progressing",
        "write_artifact": "fulmen.artifacts",
    },
)

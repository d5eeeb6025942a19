"""The conformance kit: what the author of a plugin runs, in one line of pytest per component.

plugin.py       PluginConformance: what is listed is there, documented, and costs nothing to list
component.py    ComponentConformance: what every component owes its users; a suite per kind adds to it:
callback.py     CallbackConformance
strategy.py     StrategyConformance
analyzer.py     AnalyzerConformance
model.py        ModelConformance
network.py      NetworkConformance
data.py         DataConformance
engine.py       EngineConformance
searcher.py     SearcherConformance
tasks.py        tasks that engines are tried with
simulated.py    an engine with a false clock
simulation.py   searches on it that are killed at every turn
climber.py      a searcher for these
toys.py         the small model and data that are used where a suite names none
regression.py   a problem whose solution is known, for strategies
options.py      whether an option has a type and a line of documentation
building.py     from a name and options, as in YAML, to an object
training.py     one way to train for all suites
plain.py        the same by LightningCLI and Trainer, without fulmen
processes.py    functions in fresh processes
comparing.py    where two nested values differ
pytest_plugin.py   the fixture fulmen_run; loaded by pytest wherever fulmen is installed

A suite is used by deriving from it::

    from fulmen.testing import CallbackConformance

    class TestGreet(CallbackConformance):
        component = "hello.greet"
"""

from typing import TYPE_CHECKING

from fulmen.lazy import table_of_contents

if TYPE_CHECKING:
    from fulmen.testing.analyzer import AnalyzerConformance as AnalyzerConformance
    from fulmen.testing.callback import CallbackConformance as CallbackConformance
    from fulmen.testing.component import ComponentConformance as ComponentConformance
    from fulmen.testing.data import DataConformance as DataConformance
    from fulmen.testing.engine import EngineConformance as EngineConformance
    from fulmen.testing.model import ModelConformance as ModelConformance
    from fulmen.testing.network import NetworkConformance as NetworkConformance
    from fulmen.testing.plugin import PluginConformance as PluginConformance
    from fulmen.testing.searcher import SearcherConformance as SearcherConformance
    from fulmen.testing.strategy import StrategyConformance as StrategyConformance

__getattr__, __dir__, __all__ = table_of_contents(
    __name__,
    {
        "AnalyzerConformance": "fulmen.testing.analyzer",
        "CallbackConformance": "fulmen.testing.callback",
        "ComponentConformance": "fulmen.testing.component",
        "DataConformance": "fulmen.testing.data",
        "EngineConformance": "fulmen.testing.engine",
        "ModelConformance": "fulmen.testing.model",
        "NetworkConformance": "fulmen.testing.network",
        "PluginConformance": "fulmen.testing.plugin",
        "SearcherConformance": "fulmen.testing.searcher",
        "StrategyConformance": "fulmen.testing.strategy",
    },
)

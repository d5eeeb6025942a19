"""Which series drives which: read from a forecasting transformer, with significance.

This file is the list of public names; each module is imported when its name is first used.

Recordings:

recordings.py       what every part works on: series, names, the truth where it is known
reading/            files as recordings, each fault in one line
systems/            simulated systems whose graph is known
windows.py, forecast_windows.py   what a forecast may look at; windows cross no border

The estimate, which knows neither Lightning nor the rest of fulmen:

network.py, training.py, replay.py   knock-out attention and how it learns
readouts.py, knockout.py, refit.py, surprises.py   what a trained network says of each pair
lag_choice.py, choice.py   lags and member, from the data alone
member.py, packing.py   a piece of the work
phantoms.py, false_discoveries.py, flags.py   p values, q values, a choice of edges, what looks confounded
time_varying.py     edges over time
estimate.py         all of it, from recordings to a graph
paper_network.py, paper_training.py   the paper's own model and protocol

Beside it:

opponents/          other people's tests on the same arrays, in one form
scoring.py, score_intervals.py, method_rows.py   how right a ranking or a choice of edges is
edges.py, graph_charts.py, score_charts.py, graph_report.py, comparison.py, model_report.py   what the
    report shows

Adapters: analyzer.py with pieces.py and memory.py, notebook.py, the models forecaster.py and paper.py on
forecaster_base.py, data/ (the data modules), commands.py; plugin.py names them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fulmen_attention_granger.analyzer import AttentionGranger as AttentionGranger
    from fulmen_attention_granger.data.common_driver_data import CommonDriver as CommonDriver
    from fulmen_attention_granger.data.graded_network_data import GradedNetwork as GradedNetwork
    from fulmen_attention_granger.data.grasshopper_data import Grasshopper as Grasshopper
    from fulmen_attention_granger.data.henon_data import Henon as Henon
    from fulmen_attention_granger.data.hidden_drivers_data import HiddenDrivers as HiddenDrivers
    from fulmen_attention_granger.data.linear_var_data import LinearVAR as LinearVAR
    from fulmen_attention_granger.data.lorenz96_data import Lorenz96 as Lorenz96
    from fulmen_attention_granger.data.nonlinear_var_data import NonlinearVAR as NonlinearVAR
    from fulmen_attention_granger.data.spiking_network_data import SpikingNetwork as SpikingNetwork
    from fulmen_attention_granger.data.time_series_data import TimeSeries as TimeSeries
    from fulmen_attention_granger.data.unconnected_data import Unconnected as Unconnected
    from fulmen_attention_granger.forecaster import AttentionForecaster as AttentionForecaster
    from fulmen_attention_granger.notebook import granger_graph as granger_graph
    from fulmen_attention_granger.paper import PaperForecaster as PaperForecaster
    from fulmen_attention_granger.recordings import RecordingError as RecordingError
    from fulmen_attention_granger.recordings import Recordings as Recordings

_MODULES = {
    "AttentionForecaster": "forecaster",
    "AttentionGranger": "analyzer",
    "CommonDriver": "data.common_driver_data",
    "GradedNetwork": "data.graded_network_data",
    "Grasshopper": "data.grasshopper_data",
    "Henon": "data.henon_data",
    "HiddenDrivers": "data.hidden_drivers_data",
    "LinearVAR": "data.linear_var_data",
    "Lorenz96": "data.lorenz96_data",
    "NonlinearVAR": "data.nonlinear_var_data",
    "PaperForecaster": "paper",
    "RecordingError": "recordings",
    "Recordings": "recordings",
    "SpikingNetwork": "data.spiking_network_data",
    "TimeSeries": "data.time_series_data",
    "Unconnected": "data.unconnected_data",
    "granger_graph": "notebook",
}
__all__ = [
    "AttentionForecaster",
    "AttentionGranger",
    "CommonDriver",
    "GradedNetwork",
    "Grasshopper",
    "Henon",
    "HiddenDrivers",
    "LinearVAR",
    "Lorenz96",
    "NonlinearVAR",
    "PaperForecaster",
    "RecordingError",
    "Recordings",
    "SpikingNetwork",
    "TimeSeries",
    "Unconnected",
    "granger_graph",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__

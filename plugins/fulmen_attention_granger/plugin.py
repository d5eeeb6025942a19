"""What fulmen_attention_granger offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the components."""
    return [
        fulmen.Component(
            kind="analyzer",
            name="attention_granger",
            target="fulmen_attention_granger.analyzer:AttentionGranger",
            summary="Reads a directed graph from recordings: scores, signs, lags, p and q values.",
        ),
        fulmen.Component(
            kind="model",
            name="forecaster",
            target="fulmen_attention_granger.forecaster:AttentionForecaster",
            summary="Knock-out attention as a model to fit: one token a source, signed attention.",
        ),
        fulmen.Component(
            kind="model",
            name="paper",
            target="fulmen_attention_granger.paper:PaperForecaster",
            summary="The forecasting transformer of arXiv:2311.06928, read by its cross-attention.",
        ),
        fulmen.Component(
            kind="data",
            name="time_series",
            target="fulmen_attention_granger.data.time_series_data:TimeSeries",
            summary="Series from CSV, Parquet, npz or npy files; several files as trials.",
        ),
        fulmen.Component(
            kind="data",
            name="spiking_network",
            target="fulmen_attention_granger.data.spiking_network_data:SpikingNetwork",
            summary="The paper's Izhikevich networks; weak synapses, rare frames, a dye, hidden neurons.",
        ),
        fulmen.Component(
            kind="data",
            name="graded_network",
            target="fulmen_attention_granger.data.graded_network_data:GradedNetwork",
            summary="Neurons without spikes, on a random graph or the wiring of C. elegans.",
        ),
        fulmen.Component(
            kind="data",
            name="lorenz96",
            target="fulmen_attention_granger.data.lorenz96_data:Lorenz96",
            summary="A chaotic flow on a ring.",
        ),
        fulmen.Component(
            kind="data",
            name="linear_var",
            target="fulmen_attention_granger.data.linear_var_data:LinearVAR",
            summary="Sparse linear vector autoregressions.",
        ),
        fulmen.Component(
            kind="data",
            name="henon",
            target="fulmen_attention_granger.data.henon_data:Henon",
            summary="Coupled Hénon maps: deterministic, chaotic.",
        ),
        fulmen.Component(
            kind="data",
            name="nonlinear_var",
            target="fulmen_attention_granger.data.nonlinear_var_data:NonlinearVAR",
            summary="Autoregressions with tanh, bump and sine edges.",
        ),
        fulmen.Component(
            kind="data",
            name="unconnected",
            target="fulmen_attention_granger.data.unconnected_data:Unconnected",
            summary="Series that do not drive each other: the null.",
        ),
        fulmen.Component(
            kind="data",
            name="common_driver",
            target="fulmen_attention_granger.data.common_driver_data:CommonDriver",
            summary="One recorded driver and its targets.",
        ),
        fulmen.Component(
            kind="data",
            name="hidden_drivers",
            target="fulmen_attention_granger.data.hidden_drivers_data:HiddenDrivers",
            summary="Variables with hidden parents in common.",
        ),
        fulmen.Component(
            kind="data",
            name="grasshopper",
            target="fulmen_attention_granger.data.grasshopper_data:Grasshopper",
            summary="A sound and the spikes that it evokes: real, the direction known.",
            extra="nitime",
        ),
    ]


@fulmen.hookimpl
def fulmen_commands() -> list[fulmen.Command]:
    """Name the commands."""
    return [
        fulmen.Command(
            name="simulate",
            target="fulmen_attention_granger.commands:simulate",
            summary="Write recordings of a system whose graph is known, the truth inside.",
        ),
        fulmen.Command(
            name="opponents",
            target="fulmen_attention_granger.commands:opponents",
            summary="Run the classical tests on recordings and print their scores.",
        ),
    ]

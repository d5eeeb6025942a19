"""Every component of fulmen_zero_space_ecc passes the conformance kit."""

from __future__ import annotations

from fulmen.testing import AnalyzerConformance, CallbackConformance, PluginConformance


class TestPlugin(PluginConformance):
    plugin = "zero_space_ecc"


class TestWot(CallbackConformance):
    component = "zero_space_ecc.wot"
    init_args = {"start_epoch": 1}


class TestWotHinge(CallbackConformance):
    component = "zero_space_ecc.wot"
    init_args = {"mode": "hinge", "layout": "paper"}


class TestWotAdmm(CallbackConformance):
    component = "zero_space_ecc.wot"
    init_args = {"mode": "admm", "scales": "channel"}


class TestWeightDistribution(AnalyzerConformance):
    component = "zero_space_ecc.weight_distribution"


class TestWeightDistributionDataFree(AnalyzerConformance):
    component = "zero_space_ecc.weight_distribution"
    init_args = {"data_free": True}

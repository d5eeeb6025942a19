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


class TestMemoryFaults(AnalyzerConformance):
    component = "zero_space_ecc.memory_faults"
    init_args = {
        "schemes": ["none", "parity_zero", "ecc_72_64", "mset", "triple", "checksum_reload"],
        "policies": ["leave", "golden"],
        "rates": [0.0, 0.001, 0.02],
        "trials": 12,
        "min_trials": 4,
        "vulnerability_trials": 2,
        "fit_per_mbit": 1000,
    }


class TestMemoryFaultsInFloats(AnalyzerConformance):
    component = "zero_space_ecc.memory_faults"
    init_args = {"number_format": "bfloat16", "fault_model": "bursts", "trials": 3, "rates": [0.01]}


class TestMemoryFaultsInActivations(AnalyzerConformance):
    component = "zero_space_ecc.memory_faults"
    init_args = {"faults_in": "activations", "trials": 11, "half_width": None, "rates": [0.001]}


class TestWeightDistributionDataFree(AnalyzerConformance):
    component = "zero_space_ecc.weight_distribution"
    init_args = {"data_free": True}


class TestZeroSpaceEcc(CallbackConformance):
    component = "zero_space_ecc.zero_space_ecc"

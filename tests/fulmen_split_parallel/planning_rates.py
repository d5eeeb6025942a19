"""Rates to plan with in tests: measured ones differ from time to time."""

from __future__ import annotations

RATES = {
    "sample": 2e7,
    "load": 2e9,
    "multiply": 3e10,
    "aggregate": 2e9,
    "layer_seconds": 1e-4,
    "link_latency": 1e-4,
    "link_bandwidth": 2e9,
}

"""What fulmen_zero_space_ecc offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the components."""
    return [
        fulmen.Component(
            kind="callback",
            name="wot",
            target="fulmen_zero_space_ecc.training.wot:WeightDistributionTraining",
            summary="Trains int8 weights whose check bits fit in place.",
        ),
        fulmen.Component(
            kind="callback",
            name="zero_space_ecc",
            target="fulmen_zero_space_ecc.protected.callback:ZeroSpaceProtection",
            summary="Protects int8 weights against memory faults at no extra byte, and scrubs them.",
        ),
        fulmen.Component(
            kind="analyzer",
            name="weight_distribution",
            target="fulmen_zero_space_ecc.training.weight_distribution:WeightDistribution",
            summary="Counts large weights by layer and place: is a model ready for in-place protection?",
        ),
        fulmen.Component(
            kind="analyzer",
            name="memory_faults",
            target="fulmen_zero_space_ecc.campaign.memory_faults:MemoryFaults",
            summary="Lets bit flips fall on a model's weights, with and without protection.",
        ),
    ]


@fulmen.hookimpl
def fulmen_commands() -> list[fulmen.Command]:
    """Name the commands."""
    return [
        fulmen.Command(
            name="verify",
            target="fulmen_zero_space_ecc.protected.commands:verify",
            summary="Look for wrong bits in a protected file.",
        ),
        fulmen.Command(
            name="repair",
            target="fulmen_zero_space_ecc.protected.commands:repair",
            summary="Mend a protected file in place.",
        ),
        fulmen.Command(
            name="selftest",
            target="fulmen_zero_space_ecc.protected.commands:selftest",
            summary="Flip bits in copies of a protected file: who notices, who repairs?",
        ),
        fulmen.Command(
            name="export",
            target="fulmen_zero_space_ecc.protected.commands:export",
            summary="Save what a protected file stands for as a plain state dict.",
        ),
    ]

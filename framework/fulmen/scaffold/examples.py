"""The component that a new plugin of each kind begins with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """A component that is small, useful, and there to be replaced.

    Attributes:
        component: Its short name.
        cls: Its class.
        module: The module that has it.
        summary: One sentence.
        verb: The verb that runs the example config.
        needs: What the example config needs beyond fulmen, as a requirement.
        alone: How it is used outside of fulmen's verbs, in one sentence.
    """

    component: str
    cls: str
    module: str
    summary: str
    verb: str = "fit"
    needs: str = "fulmen"
    alone: str = (
        "It also works without fulmen, by class path in any `LightningCLI` and by import in any `Trainer`."
    )


EXAMPLES = {
    "callback": Example(
        "gradient_norm", "GradientNorm", "callbacks", "Logs the norm of the gradient before each step."
    ),
    "model": Example("autoencoder", "Autoencoder", "model", "Learns to pass vectors through a bottleneck."),
    "network": Example("mlp", "MLP", "network", "A multi-layer perceptron.", needs="fulmen[vision]"),
    "data": Example("sines", "Sines", "data", "Noisy sine waves, the same for the same seed."),
    "analyzer": Example(
        "weight_norms",
        "WeightNorms",
        "analyzer",
        "Lists the parameters by their norm.",
        verb="analyze",
        alone="In a script, give `analyze` a `fulmen.AnalysisContext`; it returns a `fulmen.Report`.",
    ),
    "searcher": Example(
        "hill_climber",
        "HillClimber",
        "searcher",
        "Moves one value of the best candidate so far to the one before or after it.",
        verb="search",
        needs="fulmen[vision]",
        alone="In a script, `ask` it for candidates and `tell` it what each gave, in any order.",
    ),
}

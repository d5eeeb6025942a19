"""What fulmen_evolution offers: names alone, so that listing it costs nothing."""

from __future__ import annotations

import fulmen

FULMEN_API = 1


@fulmen.hookimpl
def fulmen_components() -> list[fulmen.Component]:
    """Name the searchers, the genes, the network that they make and the data."""
    return [
        fulmen.Component(
            kind="searcher",
            name="evolution",
            target="fulmen_evolution.searcher:Evolution",
            summary="Evolves candidates asynchronously for several objectives, guided by a surrogate.",
        ),
        fulmen.Component(
            kind="searcher",
            name="random",
            target="fulmen_evolution.searcher:Random",
            summary="Draws each candidate anew from the whole space.",
        ),
        fulmen.Component(
            kind="searcher",
            name="optuna",
            target="fulmen_evolution.optuna_searcher:OptunaSearcher",
            summary="Asks a sampler of Optuna's.",
            extra="optuna",
        ),
        fulmen.Component(
            kind="searcher",
            name="pymoo",
            target="fulmen_evolution.pymoo_searcher:PymooSearcher",
            summary="Asks an algorithm of pymoo's.",
            extra="pymoo",
        ),
        fulmen.Component(
            kind="network",
            name="genome",
            target="fulmen_evolution.genome:Genome",
            summary="The network that a list of genes stands for; what a search of structures finds.",
        ),
        fulmen.Component(
            kind="data",
            name="synthetic_til",
            target="fulmen_evolution.patch_data:SyntheticTIL",
            summary="Synthetic H&E-like patches: two lymphocytes or more, or fewer.",
        ),
        fulmen.Component(
            kind="data",
            name="til_patches",
            target="fulmen_evolution.patch_data:TILPatches",
            summary="Real patches in PNG files, labels in their names or in a table, split by slide.",
            extra="vision",
        ),
        *(
            fulmen.Component(kind="gene", name=name, target=f"fulmen_evolution.{target}", summary=summary)
            for name, target, summary in _GENES
        ),
    ]


@fulmen.hookimpl
def fulmen_kinds() -> list[fulmen.Kind]:
    """Open the kind that other plugins' layers are of."""
    return [
        fulmen.Kind(
            name="gene",
            base="fulmen_evolution.genes:Gene",
            summary="A layer that evolution can draw, build, mutate, repair and cost.",
        )
    ]


_GENES = [
    ("convolution", "convolutions:Convolution", "A convolution, square or not, normalised, non-linear."),
    ("separable", "convolutions:SeparableConvolution", "A depthwise and a pointwise convolution."),
    ("pooling", "layers:Pooling", "Maxima or means of windows."),
    ("normalisation", "layers:Normalisation", "Batch, group or local response normalisation."),
    ("dropout", "layers:Dropout", "Channels dropped at random in training."),
    ("activation", "layers:Activation", "A non-linear function of its own."),
    ("residual", "blocks:Residual", "An inverted bottleneck around which the input passes."),
    ("parallel", "blocks:Parallel", "Two to four branches side by side, joined."),
]

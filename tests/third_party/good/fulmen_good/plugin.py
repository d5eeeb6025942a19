"""Offers a component of each kind, a kind of its own, a command and both run hooks."""

import fulmen

FULMEN_API = 1

PARTS = [
    ("strategy", "solo", "Solo"),
    ("callback", "salute", "Salutation"),
    ("searcher", "dice", "DiceSearcher"),
    ("analyzer", "census", "ParameterCensus"),
    ("engine", "at_once", "ImmediateEngine"),
    ("model", "line", "LinearRegression"),
    ("network", "affine", "AffineMap"),
    ("data", "points", "RandomPoints"),
    ("flavour", "vanilla", "VanillaFlavour"),
]

runs = []
"""What the run hooks of this process saw."""


@fulmen.hookimpl
def fulmen_kinds():
    return [fulmen.Kind("flavour", "fulmen_good.parts:Flavour", "What a census tastes of.")]


@fulmen.hookimpl
def fulmen_components():
    return [
        fulmen.Component(
            kind=kind, name=name, target=f"fulmen_good.parts:{cls}", summary=f"A {kind} for tests."
        )
        for kind, name, cls in PARTS
    ]


@fulmen.hookimpl
def fulmen_commands():
    return [
        fulmen.Command(name="greet", target="fulmen_good.commands:greet", summary="Greet somebody."),
        fulmen.Command(
            name="refuse", target="fulmen_good.commands:refuse", summary="Refuse whatever is given."
        ),
    ]


@fulmen.hookimpl
def fulmen_run_start(run):
    runs.append("start")


@fulmen.hookimpl
def fulmen_run_end(status, error):
    runs.append(status)

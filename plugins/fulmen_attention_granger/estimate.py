"""From recordings to a directed graph: choose lags and member, rank, compare with phantoms.

The work is cut into pieces of plain data that the caller runs (`Run`), so that a killed analysis goes on
where it was. Variables are put into an order of their own first: permuted data give the same graph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fulmen_attention_granger import readouts
from fulmen_attention_granger.choice import MEMBERS, choose_member, held_out_loss
from fulmen_attention_granger.false_discoveries import Discoveries, discoveries
from fulmen_attention_granger.flags import pair_flags
from fulmen_attention_granger.knockout import READ_OUTS
from fulmen_attention_granger.lag_choice import LagChoice, choose_lags
from fulmen_attention_granger.member import LONG, Members, Reading, plain_members, reading_of
from fulmen_attention_granger.phantoms import copies_needed
from fulmen_attention_granger.surprises import Surprises, surprises

# Runs pieces: items for `member.run_members` and a label, each with its own list of readings as plain data.
Run = Callable[[Sequence[dict[str, Any]], str], list[list[dict[str, Any]]]]
FOLDS = 5  # of a short recording of not too many variables
FEWER = 3  # of others, whose members take long to train
WIDE = 50  # variables; beyond, a second look at all time is not worth what it costs
OLDEST = 3  # lags that the search for messengers looks at, at least
SCORES = ("contribution", "loss", "clark_west", "refitted", "attention", "weighted_attention", "gradient")


@dataclass(frozen=True)
class EstimateOptions:
    """What may be asked for.

    Attributes:
        lags: Rows of history; None: chosen.
        max_lags: Tried at most, where chosen.
        member: A key of ``choice.MEMBERS``; None: chosen.
        significance: Train beside phantoms, for p and q values.
        q: The share of false edges among the selected that is tolerated.
        folds: Stretches of time held out, one member each; None: 5, or 3 for long recordings and for more
            than ``WIDE`` variables.
        all_time: Hold all time out, by one member or another (for graphs that change in time); else a
            long recording is held out by a tenth a member, which leaves more to train on.
        seeds: Repeat all with so many seeds.
        effort: Factor on the number of training steps.
        seed: Of everything.
        score: The read-out that ranks pairs, one of ``SCORES``.
        test: The read-out that is compared with phantoms, one of ``SCORES``. The contribution of a source
            that only goes along with a true one is above that of phantoms; what it adds to a forecast
            with the strongest sources fitted anew is not: with one driver of eleven targets .61 of the
            edges chosen by contribution were false, .50 of those by Clark and West's statistic, .21 of
            those refitted, at equal power (development seed 101).
    """

    lags: int | None = None
    max_lags: int = 5
    member: str | None = None
    significance: bool = True
    q: float = 0.1
    folds: int | None = None
    all_time: bool = False
    seeds: int = 1
    effort: float = 1.0
    seed: int = 0
    score: str = "contribution"
    test: str = "refitted"


@dataclass(frozen=True)
class Estimate:
    """A directed graph, read from recordings. Arrays are (targets, sources), float64 unless said.

    Attributes:
        scores: Each of ``SCORES``; 0 on the diagonal.
        score: The one that ranks.
        effect: Slope of what the source adds, at its strongest lag: z-scores per z-score.
        lag: int64, the strongest lag, from 1.
        lag_score: (targets, sources, lags): contribution of each lag alone.
        significance: p and q values and the choice; None where not asked for.
        stability: Share of members in which the pair stands above 95 % of the phantoms; NaN without.
        null: Pair scores and phantom scores (two flat arrays) of the run that gave the significance.
        flags: Strings, "" where nothing looks odd.
        residual_correlation: (targets, targets), of forecast errors at the same time.
        explained: (targets,), held-out R2 of the forecasts.
        lag_choice: Losses by number of lags; None where lags were given.
        losses: Held-out loss of each member that was tried.
        members: What was trained for the ranking.
        blocks: Held-out time: (blocks, targets, sources) of the encompassing read-out, with rows
            (blocks, 3) of trial, first, last; in the order of time.
        null_blocks: The same for phantoms, and in ``null_rows`` their rows; None without significance.
        seconds: CPU time of all members, those tried and left among them.
    """

    scores: dict[str, np.ndarray]
    score: np.ndarray
    effect: np.ndarray
    lag: np.ndarray
    lag_score: np.ndarray
    significance: Discoveries | None
    stability: np.ndarray
    null: tuple[np.ndarray, np.ndarray] | None
    flags: np.ndarray
    residual_correlation: np.ndarray
    explained: np.ndarray
    lag_choice: LagChoice | None
    losses: dict[str, float]
    members: Members
    blocks: np.ndarray
    rows: np.ndarray
    null_blocks: np.ndarray | None = None
    null_rows: np.ndarray | None = None
    seconds: float = 0.0


def estimate(trials: Sequence[np.ndarray], run: Run, options: EstimateOptions) -> Estimate:
    """Estimate the graph of z-scored trials.

    Args:
        trials: Each (time, variables), in the order of ``windows.canonical_order``, NaN = missing.
        run: Runs pieces of work.
        options: What is asked for.

    Raises:
        ValueError: the recordings are too short for the lags.
    """
    _require_windows(trials, options.lags or 1, options.folds or FOLDS)
    lag_choice = choose_lags(trials, options.max_lags) if options.lags is None else None
    lags = options.lags if lag_choice is None else lag_choice.lags
    assert lags is not None
    long, wide = _windows(trials, lags) > LONG, trials[0].shape[1] > WIDE
    fewer = (long or wide) and not options.all_time
    folds = options.folds or (FEWER if fewer else FOLDS)
    _require_windows(trials, lags, folds)
    share = (0.1 if long else 1 / FOLDS) if fewer else 1 / folds
    every = list(range(folds))

    def members(name: str, held_out: Sequence[int], seed: int, phantoms: int = 0) -> Members:
        nonlinear, variance = MEMBERS[name]
        return Members(
            lags, nonlinear, variance, seed, list(held_out), folds, share, phantoms, options.effort
        )

    def groups(name: str, seed: int, phantoms: int = 0) -> list[Members]:
        # Small recordings: all folds as one program. Others: one by one, each kept when finished.
        parts = [[fold] for fold in every] if long or wide else [every]
        return [members(name, part, seed, phantoms) for part in parts]

    def train(wanted: Sequence[Members], label: str) -> list[list[Reading]]:
        return [[reading_of(one) for one in got] for got in run([plain_members(m) for m in wanted], label)]

    names = list(MEMBERS) if options.member is None else [options.member]
    losses: dict[str, float] = {}
    chosen, spent = names[0], 0.0
    if len(names) > 1:
        tried = train([groups(name, options.seed)[0] for name in names], "choose")
        spent = sum(reading.seconds for got in tried for reading in got)
        chosen, losses = choose_member(
            {
                name: [held_out_loss(r.scaled_loss, r.knockouts.log_variance) for r in got]
                for name, got in zip(names, tried, strict=True)
            }
        )
    seeds = [options.seed + index for index in range(options.seeds)]
    # The piece of the chosen member that was tried is asked for again: whoever runs the pieces keeps it.
    readings = [
        r for got in train([g for seed in seeds for g in groups(chosen, seed)], "choose") for r in got
    ]
    beside: list[Reading] = []
    if options.significance:
        copies = copies_needed(trials[0].shape[1])
        wanted = [g for seed in seeds for g in groups(chosen, seed, copies)]
        beside = [r for got in train(wanted, "phantoms") for r in got]
    spent += sum(reading.seconds for reading in [*readings, *beside])
    if len(names) > 1:  # one of those tried is among those read
        again = groups(chosen, options.seed)[0].held_out
        spent -= sum(reading.seconds for reading in readings[: len(again)])
    found = surprises(trials, max(OLDEST, lags) + 1)
    result = _assembled(
        readings, beside, options, lag_choice, losses, members(chosen, every, options.seed), found
    )
    return replace(result, seconds=spent)


def _windows(trials: Sequence[np.ndarray], lags: int) -> int:
    return sum(max(0, len(trial) - lags) for trial in trials)


def _require_windows(trials: Sequence[np.ndarray], lags: int, folds: int) -> None:
    count, needed = _windows(trials, lags), 8 * folds * (lags + 1)
    longest, variables = max(len(trial) for trial in trials), trials[0].shape[1]
    if count < needed and variables > longest:
        raise ValueError(
            f"{longest} rows of {variables} variables; rows are times, columns variables: turn it"
        )
    if count < needed:
        raise ValueError(
            f"{count} windows of {lags} lags are too few for {folds} folds; at least {needed} are needed: "
            "record longer, or ask for fewer lags"
        )


def pair_scores(readings: Sequence[Reading]) -> dict[str, np.ndarray]:
    """Return each of ``SCORES`` over all members; (targets, sources), phantoms behind the variables."""
    knockouts = [reading.knockouts for reading in readings]
    return {
        "contribution": readouts.mean_readout("contribution", knockouts),
        "loss": readouts.mean_readout("loss", knockouts),
        "clark_west": readouts.clark_west(knockouts),
        "refitted": np.sum([reading.refitted for reading in readings], 0) / len(readings) ** 0.5,
        "attention": np.mean([reading.attention for reading in readings], 0),
        "weighted_attention": np.mean([reading.weighted for reading in readings], 0),
        "gradient": np.mean([reading.gradient for reading in readings], 0),
    }


def reordered(result: Estimate, order: np.ndarray) -> Estimate:
    """Return an estimate of variables ``order`` as one of variables 0, 1, 2, ..."""
    back = np.argsort(order)
    pair = np.ix_(back, back)

    def by_pair(array: np.ndarray) -> np.ndarray:
        return array[pair]

    values: dict[str, Any] = {
        "scores": {name: by_pair(score) for name, score in result.scores.items()},
        "significance": None
        if result.significance is None
        else Discoveries(*(by_pair(a) for a in vars(result.significance).values())),
        "explained": result.explained[back],
        "blocks": result.blocks[:, back][:, :, back],
        "null_blocks": None if result.null_blocks is None else result.null_blocks[:, back],
    }
    for name in ("score", "effect", "lag", "lag_score", "stability", "flags", "residual_correlation"):
        values[name] = by_pair(getattr(result, name))
    return Estimate(**{**vars(result), **values})


def _assembled(
    readings: Sequence[Reading],
    beside: Sequence[Reading],
    options: EstimateOptions,
    lag_choice: LagChoice | None,
    losses: Mapping[str, float],
    members: Members,
    found: Surprises,
) -> Estimate:
    scores = pair_scores(readings)
    n = len(scores["contribution"])
    for score in scores.values():
        np.fill_diagonal(score, 0.0)
    significance, null, null_blocks, null_rows = None, None, None, None
    stability = np.full((n, n), np.nan)
    if beside:
        both = pair_scores(beside)[options.test]
        significance = discoveries(both[:, :n], both[:, n:], options.q)
        null = (both[:, :n][~np.eye(n, dtype=bool)], both[:, n:].ravel())
        each = [pair_scores([reading])[options.test] for reading in beside]
        stability = np.mean([one[:, :n] > np.quantile(one[:, n:], 0.95) for one in each], 0)
        np.fill_diagonal(stability, 0.0)
        both_blocks, null_rows = _in_time(beside)
        null_blocks = both_blocks[:, :, n:]
    lag_score = np.mean([reading.lag_strength for reading in readings], 0)
    slope = np.mean([reading.knockouts.slope for reading in readings], 0)
    lag = lag_score.argmax(2)
    effect = np.take_along_axis(slope, lag[:, :, None], 2)[:, :, 0]
    np.fill_diagonal(effect, 0.0)
    correlation = np.mean([reading.residual_correlation for reading in readings], 0)
    held_out = int(sum(reading.knockouts.count.sum(0).mean() for reading in readings) / options.seeds)
    blocks, rows = _in_time(readings)
    return Estimate(
        scores=scores,
        score=scores[options.score],
        effect=effect,
        lag=lag + 1,
        lag_score=lag_score,
        significance=significance,
        stability=stability,
        null=null,
        flags=pair_flags(correlation, held_out, found),
        residual_correlation=correlation,
        explained=1 - np.mean([reading.knockouts.squared_error for reading in readings], 0),
        lag_choice=lag_choice,
        losses=dict(losses),
        members=members,
        blocks=blocks,
        rows=rows,
        null_blocks=null_blocks,
        null_rows=null_rows,
    )


def _in_time(readings: Sequence[Reading]) -> tuple[np.ndarray, np.ndarray]:
    """Return the encompassing read-out of each block and the blocks' rows, in the order of time."""
    index = READ_OUTS.index("encompassing")
    blocks = np.concatenate([reading.knockouts.blocks[:, index] for reading in readings])
    rows = np.concatenate([reading.rows for reading in readings])
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    return blocks[order], rows[order]

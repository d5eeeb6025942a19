"""Candidates and evaluations to rows of a study, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fulmen.searching import Candidate, Evaluation

_ENCODER = json.JSONEncoder(separators=(",", ":"))  # json.dumps would make one each time


def dump(value: Any) -> str:
    """Return plain data as JSON; NaN and infinities are kept."""
    return _ENCODER.encode(value)


def candidate_row(candidate: Candidate, at: float) -> tuple[Any, ...]:
    """Return the row of a candidate that was asked for at a time (Unix seconds)."""
    parts = (dict(candidate.overlay), list(candidate.parents), dict(candidate.fidelity))
    return (candidate.id, *map(dump, parts), candidate.seed, dump(dict(candidate.note)), at)


def to_candidate(row: tuple[Any, ...]) -> Candidate:
    """Return the candidate of a row."""
    id, overlay, parents, fidelity, seed, note = row[:6]
    return Candidate(
        id, json.loads(overlay), tuple(json.loads(parents)), json.loads(fidelity), seed, json.loads(note)
    )


def result_row(id: int, evaluation: Evaluation, at: float) -> tuple[Any, ...]:
    """Return the row of a result that was told at a time (Unix seconds)."""
    return (
        id,
        dump(dict(evaluation.values)),
        evaluation.status,
        evaluation.failure,
        evaluation.seconds,
        dump(dict(evaluation.artifacts)),
        at,
    )


def to_evaluation(row: tuple[Any, ...]) -> Evaluation:
    """Return the evaluation of the row's columns after the id."""
    values, status, failure, seconds, artifacts = row[:5]
    return Evaluation(json.loads(values), status, failure, seconds, json.loads(artifacts))


def from_folder(artifacts: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return paths as a study keeps them: those in its folder from there, so that it can be moved."""
    return {
        name: str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path
        for name, path in artifacts.items()
    }


def in_folder(artifacts: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the paths that `from_folder` has kept, for where the folder is now."""
    return {name: str(folder / path) for name, path in artifacts.items()}


def plain_evaluation(evaluation: Evaluation) -> dict[str, Any]:
    """Return an evaluation as plain data, for its way out of a worker."""
    return asdict(evaluation)


def from_plain(plain: Mapping[str, Any]) -> Evaluation:
    """Return the evaluation that `plain_evaluation` took apart."""
    return Evaluation(**plain)

"""A study for other programs: a table as CSV, Parquet or JSON lines, or a study of Optuna's."""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fulmen.artifacts import write_artifact
from fulmen.errors import UserError
from fulmen.searching import Objective
from fulmen.study.columns import cell, of_one_type
from fulmen.study.store import Told


def export(told: Sequence[Told], objectives: Sequence[Objective], path: Path, name: str = "fulmen") -> int:
    """Write all candidates of a study to a file whose ending says how; return how many.

    Args:
        told: The candidates and their results.
        objectives: What the study is for.
        path: ``.csv``, ``.parquet`` and ``.jsonl`` are a row per candidate; ``.db`` is an SQLite storage of
            Optuna's, which ``optuna-dashboard sqlite:///FILE`` shows.
        name: The study's name there.

    Raises:
        UserError: the file exists, the ending is none of these, or a package is missing that it needs.
    """
    writers = {".csv": _csv, ".parquet": _parquet, ".jsonl": _lines, ".db": _optuna}
    if path.suffix not in writers:
        raise UserError(f"{path}: a name that ends in {', '.join(writers)} is expected.")
    if path.exists():
        raise UserError(f"{path}: exists; give another name.")
    writers[path.suffix](told, objectives, path, name)
    return len(told)


def rows_of(told: Sequence[Told], objectives: Sequence[Objective]) -> list[dict[str, Any]]:
    """Return a row per candidate: its values, what became of it, and its overlay by dotted keys."""
    return [
        {
            "candidate": one.candidate.id,
            "status": one.evaluation.status,
            "failure": one.evaluation.failure,
            **{f"objective.{o.name}": one.evaluation.values.get(o.name) for o in objectives},
            "seconds": one.evaluation.seconds,
            "told_at": one.told_at,
            "seed": one.candidate.seed,
            "parents": " ".join(map(str, one.candidate.parents)),
            **{key: cell(value) for key, value in one.candidate.overlay.items()},
        }
        for one in told
    ]


def _csv(told: Sequence[Told], objectives: Sequence[Objective], path: Path, name: str) -> None:
    import pandas as pd

    write_artifact(path, pd.DataFrame(rows_of(told, objectives)).to_csv(index=False))


def _parquet(told: Sequence[Told], objectives: Sequence[Objective], path: Path, name: str) -> None:
    import pandas as pd

    if importlib.util.find_spec("pyarrow") is None:
        raise UserError(f"{path}: Parquet needs the extra 'parquet': pip install 'fulmen[parquet]'")
    frame = of_one_type(pd.DataFrame(rows_of(told, objectives)))
    write_artifact(path, lambda file: frame.to_parquet(file, index=False))


def _lines(told: Sequence[Told], objectives: Sequence[Objective], path: Path, name: str) -> None:
    lines = (
        json.dumps({key: _finite(value) for key, value in row.items()}, allow_nan=False) + "\n"
        for row in rows_of(told, objectives)
    )
    write_artifact(path, "".join(lines))


def _finite(value: Any) -> Any:
    """Return None for a number that JSON has no way to write."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _optuna(told: Sequence[Told], objectives: Sequence[Objective], path: Path, name: str) -> None:
    try:
        import optuna
    except ImportError as error:
        raise UserError(
            f"{path}: a study of Optuna's needs the extra 'optuna': pip install 'fulmen[optuna]'"
        ) from error
    optuna.logging.set_verbosity(logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{path.absolute()}",
        study_name=name,
        directions=["maximize" if o.mode == "max" else "minimize" for o in objectives],
    )
    with warnings.catch_warnings():
        # Optuna tells its authors' users that this may change: nothing that who exports could act on.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([o.name for o in objectives])
    choices = _choices(told)
    for one in told:
        good = one.evaluation.status == "ok"
        end = datetime.fromtimestamp(one.told_at)
        params = {key: cell(value) for key, value in one.candidate.overlay.items()}
        study.add_trial(
            optuna.trial.FrozenTrial(
                number=one.candidate.id,
                trial_id=one.candidate.id,
                state=optuna.trial.TrialState.COMPLETE if good else optuna.trial.TrialState.FAIL,
                value=None,
                values=[one.evaluation.values[o.name] for o in objectives] if good else None,
                datetime_start=end - timedelta(seconds=one.evaluation.seconds),
                datetime_complete=end,
                params=params,
                distributions={key: choices[key] for key in params},
                user_attrs={"candidate": one.candidate.id, "parents": list(one.candidate.parents)}
                | ({} if good else {"failure": one.evaluation.failure or one.evaluation.status}),
                system_attrs={},
                intermediate_values={},
            )
        )


def _choices(told: Sequence[Told]) -> dict[str, Any]:
    """Return a distribution of Optuna's for each key: what was seen, which is all that a study knows."""
    import optuna

    seen: dict[str, list[Any]] = {}
    for one in told:
        for key, value in one.candidate.overlay.items():
            cells = seen.setdefault(key, [])
            if (choice := cell(value)) not in cells:
                cells.append(choice)
    return {key: _distribution(cells, optuna.distributions) for key, cells in seen.items()}


def _distribution(cells: list[Any], distributions: Any) -> Any:
    numbers = [one for one in cells if isinstance(one, int | float) and not isinstance(one, bool)]
    if len(numbers) == len(cells) and len(cells) > 1:
        low, high = min(numbers), max(numbers)
        if all(isinstance(number, int) for number in numbers):
            return distributions.IntDistribution(low, high)
        return distributions.FloatDistribution(low, high, log=low > 0 and high / low > 100)
    return distributions.CategoricalDistribution(cells)

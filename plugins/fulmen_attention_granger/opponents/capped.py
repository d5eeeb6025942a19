"""An opponent in a process of its own, so that one that takes too long can be stopped.

Run as ``python -m fulmen_attention_granger.opponents.capped NAME LAGS FILE``: reads the trials from FILE
(npz) and writes the result beside it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fulmen_attention_granger.opponents.catalog import OPPONENTS, run
from fulmen_attention_granger.opponents.result import OpponentResult

REFUSED = "refused: "  # a note that begins so tells why a method cannot work here
FAILED = "failed: "  # a note that begins so tells how a method ended without a result
_TRIALS, _RESULT = "trials.npz", "result.npz"
_REFUSED = 2  # exit status of a method that refuses the data; its message is then on the last line
# One thread, so that the seconds of methods can be compared.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def run_capped(
    name: str, trials: Sequence[np.ndarray], lags: int | None = None, seconds: float = 60.0
) -> OpponentResult:
    """Run an opponent, and stop it after so many seconds.

    Args:
        name: One of ``catalog.OPPONENTS``.
        trials: Each (time, variables), NaN where missing.
        lags: How many it looks at; None: its own choice.
        seconds: Of wall-clock time, imports included.

    Returns:
        Its result. Without scores, and with a note, where the time was up ("not finished in X s"), the
        method refuses these data, what it needs is not installed ("refused: why"), or it came to grief
        ("failed: how"): one that dies, for want of memory say, takes nothing with it.

    Raises:
        KeyError: there is no such opponent.
    """
    test = _test_of(name)
    with tempfile.TemporaryDirectory(prefix="fulmen-opponent-") as folder:
        file = Path(folder) / _TRIALS
        np.savez(file, allow_pickle=False, **{f"trial{k}": trial for k, trial in enumerate(trials)})
        command = [sys.executable, "-m", __name__, name, str(lags or 0), str(file)]
        environment = {**os.environ, **_THREADS, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        try:
            ended = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            note = f"not finished in {seconds:g} s"
            return OpponentResult(name, test, None, None, seconds, 0, note)
        if ended.returncode == _REFUSED:
            reason = ended.stderr.strip().splitlines()[-1]
            return OpponentResult(name, test, None, None, 0.0, 0, f"{REFUSED}{reason}")
        if ended.returncode != 0:
            killed = f"killed by signal {-ended.returncode}"
            how = killed if ended.returncode < 0 else f"status {ended.returncode}"
            tail = ended.stderr.strip().splitlines()[-1:]
            note = f"{FAILED}{': '.join([how, *tail])}"
            return OpponentResult(name, test, None, None, 0.0, 0, note)
        return _load(Path(folder) / _RESULT)


def _test_of(name: str) -> str:
    from fulmen_attention_granger.opponents import slarac, spike_regression, tigramite_tests, var_granger

    own = {
        "var_granger": var_granger.TEST,
        "spike_regression": spike_regression.TEST,
        "slarac": slarac.TEST,
    }
    return {**own, **tigramite_tests.TESTS}[name]


def _load(path: Path) -> OpponentResult:
    with np.load(path, allow_pickle=False) as held:
        return OpponentResult(
            method=str(held["method"]),
            test=str(held["test"]),
            score=held["score"],
            p_values=held.get("p_values"),
            seconds=float(held["seconds"]),
            lags=int(held["lags"]),
            note=str(held["note"]),
        )


def _save(path: Path, result: OpponentResult) -> None:
    assert result.score is not None
    values = {"method": result.method, "test": result.test, "note": result.note}
    numbers = {"score": result.score, "seconds": np.array(result.seconds), "lags": np.array(result.lags)}
    if result.p_values is not None:
        numbers["p_values"] = result.p_values
    texts = {key: np.array(value) for key, value in values.items()}
    np.savez(path, allow_pickle=False, **texts, **numbers)


def _main(name: str, lags: str, file: str) -> int:
    with np.load(file, allow_pickle=False) as held:
        trials = [held[f"trial{k}"] for k in range(len(held.files))]
    assert name in OPPONENTS
    try:
        result = run(name, trials, int(lags) or None)
    except ValueError as error:  # RecordingError too
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    _save(Path(file).with_name(_RESULT), result)
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))

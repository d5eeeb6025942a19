"""Windows cross no border between trials or splits, know the training rows alone, mask what is missing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fulmen.errors import ConfigError, DataError
from fulmen_attention_granger import LinearVAR, SpikingNetwork, TimeSeries
from fulmen_attention_granger.forecast_windows import split_rows, window_datasets
from fulmen_attention_granger.recordings import RecordingError, Recordings

CONTEXT, HORIZON = 4, 2


@pytest.fixture
def counted() -> Recordings:
    """Two trials whose first variable numbers every row, so that a window shows where it is from."""
    generator = np.random.default_rng(0)
    trials = []
    for start, length in ((0, 50), (1000, 30)):
        rows = start + np.arange(length)
        trials.append(np.column_stack([rows, generator.standard_normal(length)]))
    return Recordings(tuple(trials), ("row", "noise"), source="counted")


@pytest.fixture
def datasets(counted):
    return window_datasets(counted, CONTEXT, HORIZON, 0.2, 0.2)


def rows_of(dataset, counted):
    """Return the row numbers of each window."""
    training = np.concatenate([trial[: int(0.6 * len(trial)), 0] for trial in counted.trials])
    return [
        np.rint(torch.cat([w.context, w.target])[:, 0].numpy() * training.std() + training.mean()).astype(int)
        for w in dataset
    ]


@pytest.mark.parametrize(
    ("split", "segments"),
    [
        ("train", [(0, 30), (1000, 1018)]),
        ("val", [(30, 40), (1018, 1024)]),
        ("test", [(40, 50), (1024, 1030)]),
    ],
)
def test_every_window_within_a_segment_is_there_and_no_other(datasets, counted, split, segments):
    found = {tuple(rows) for rows in rows_of(datasets[split], counted)}
    length = CONTEXT + HORIZON
    expected = {
        tuple(range(first, first + length))
        for start, stop in segments
        for first in range(start, stop - length + 1)
    }

    assert found == expected
    assert len(datasets[split]) == len(expected)


def test_a_batch_has_the_windows_of_its_items(datasets):
    batch = datasets["train"].__getitems__([0, 5, 7])

    for item, index in zip(batch, (0, 5, 7), strict=True):
        single = datasets["train"][index]
        assert all(torch.equal(a, b) for a, b in zip(item, single, strict=True))
    assert batch[0].context.shape == (CONTEXT, 2)
    assert batch[0].target.shape == (HORIZON, 2)
    assert batch[0].context.dtype == torch.float32


def test_the_scale_is_that_of_the_training_rows_alone(counted, datasets):
    changed = [trial.copy() for trial in counted.trials]
    for trial in changed:
        trial[int(0.6 * len(trial)) :, 1] *= 1000
    again = window_datasets(Recordings(tuple(changed), counted.names), CONTEXT, HORIZON, 0.2, 0.2)
    training = np.concatenate([trial[: int(0.6 * len(trial))] for trial in counted.trials])

    assert torch.equal(again["train"].values, datasets["train"].values)
    assert np.allclose(datasets["train"].values, (training - training.mean(0)) / training.std(0), atol=1e-6)


def test_missing_values_are_masked_and_never_nan(counted):
    trials = tuple(trial.copy() for trial in counted.trials)
    trials[0][10, 1] = np.nan
    window = window_datasets(Recordings(trials, counted.names), CONTEXT, HORIZON, 0.2, 0.2)["train"][7]

    assert window.context_seen.tolist() == [[True, True]] * 3 + [[True, False]]
    assert window.context[3, 1] == 0
    assert torch.isfinite(window.context).all()
    assert window.target_seen.all()


def test_splits_are_in_the_order_of_time_and_leave_nothing_out():
    for length in range(5, 60):
        parts = split_rows(length, 0.2, 0.2)
        assert [i for part in parts.values() for i in range(length)[part]] == list(range(length))


def test_a_part_too_short_for_a_window_is_refused(counted):
    with pytest.raises(
        RecordingError, match="counted: the val part has at most 10 rows in one trial; expected 14"
    ):
        window_datasets(counted, 12, 2, 0.2, 0.2)


def test_a_variable_that_only_changes_later_is_refused(tmp_path):
    x = np.random.default_rng(0).standard_normal((100, 2))
    x[:60, 1] = 3.0
    np.save(tmp_path / "a.npy", x)

    with pytest.raises(DataError, match="'x1' does not change in the 60 training rows"):
        TimeSeries(str(tmp_path / "a.npy")).setup()


def test_recordings_are_made_once_and_windows_come_from_them():
    data = SpikingNetwork(neurons=4, samples=300, batch_size=16)

    assert data.recordings() is data.recordings()
    batch = next(iter(data.val_dataloader()))
    trial = data.recordings().trials[0]
    scaled = (trial - trial[:180].mean(0)) / trial[:180].std(0)
    assert batch.context.shape == (16, 10, 4)
    assert np.allclose(batch.context[0], scaled[180:190], atol=1e-5)
    assert np.allclose(batch.target[0], scaled[190:191], atol=1e-5)


def test_noise_and_gaps_come_on_top_and_leave_the_system():
    clean, gappy, noisy = (
        LinearVAR(seed=1, **kw).recordings() for kw in ({}, {"missing": 0.3}, {"noise_share": 0.5})
    )
    seen = np.isfinite(gappy.trials[0])

    assert 0.28 < gappy.missing < 0.32
    assert np.array_equal(gappy.trials[0][seen], clean.trials[0][seen])
    assert np.array_equal(clean.graph, gappy.graph)
    assert np.allclose(noisy.trials[0].var(0) / clean.trials[0].var(0), 2, rtol=0.2)


WRONG = {
    "context": ({"context": 0}, "data: context is 0; expected 1 or more: change it."),
    "fractions": ({"val_fraction": 0.6, "test_fraction": 0.5}, "expected both above 0 and less than 1"),
    "missing": ({"missing": 1.5}, "data: missing is 1.5; expected 0 to 0.9"),
    "noise": ({"noise_share": float("nan")}, "data: noise_share is nan; expected 0 to 0.99"),
    "density": ({"density": 1.5}, "data: density is 1.5; expected 0 to 1"),
    "neurons": ({"neurons": 1}, "data: neurons is 1; expected 2 or more"),
    "switch": ({"switch": True, "wiring": "celegans"}, "switch goes with random wiring alone"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_out_of_range_are_refused(case):
    options, told = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        SpikingNetwork(**options)
    assert told in str(caught.value)


def test_more_parents_than_other_variables_are_refused():
    with pytest.raises(ConfigError, match="data: parents is 5; expected 0 to 4"):
        LinearVAR(variables=5, parents=5)

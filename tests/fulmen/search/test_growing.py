"""What TensorBoard shows of a search's candidates, and the picture of its front."""

from __future__ import annotations

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fulmen.reports.growing import FrontLogger
from fulmen.search.progress import Standing
from fulmen.search.results import front_figure
from fulmen.search.session import rows_of
from fulmen.searching import Candidate, Evaluation, Objective
from fulmen.study import Told


def test_each_candidate_is_a_run_with_its_hparams_once(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    rows = [(3, {"lr": 0.1, "layers": [{"class_path": "Pooling"}]}, {"f1": 0.9})]
    for _ in range(2):  # as a resumed search does
        FrontLogger([logger]).candidates(rows)
    logger.experiment.close()

    (events,) = (tmp_path / "candidates" / "3").glob("events.out.tfevents.*")
    shown = EventAccumulator(str(events)).Reload()
    assert shown.Scalars("f1")[0].value == pytest.approx(0.9)
    assert "_hparams_/session_start_info" in shown.summary_metadata


class Away(CSVLogger):
    """A logger whose server does not answer."""

    def log_metrics(self, metrics, step=None):
        raise ConnectionError("the server is away")


def test_a_logger_that_fails_ends_no_search(tmp_path, caplog):
    there = CSVLogger(tmp_path / "csv")
    now = Standing(1, {}, 1, {"f1": 0.9}, 1, None, 60.0, None)

    FrontLogger([Away(tmp_path), there])(now, pytest.fail, 1)

    assert "Away: the front was not logged to it (the server is away)." in caplog.text
    there.save()
    assert "0.9" in next((tmp_path / "csv").rglob("metrics.csv")).read_text()


def test_the_fronts_candidates_come_first_then_the_newest():
    told = [Told(Candidate(id, {}), Evaluation({"f1": 0.1 * id}), 0.0) for id in range(4)]
    told.append(Told(Candidate(4, {}), Evaluation(failure="it fell over"), 0.0))

    assert [id for id, _, _ in rows_of(told[1:2], told)] == [1, 3, 2, 0]


def test_the_picture_of_the_front_shows_the_bounds():
    told = [
        Told(Candidate(id, {}), Evaluation({"f1": 0.9 + 0.02 * id, "latency": id}), 0.0) for id in range(3)
    ]
    objectives = [Objective("latency", "min", {}), Objective("f1", "max", {}, bound=0.93)]

    (axes,) = front_figure(told, told[2:], objectives).axes
    entries = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))

    assert list(entries) == ["evaluated", "front", "bound"]
    assert list(entries["bound"].get_xdata()) == [0.93, 0.93]  # f1 is across, latency up
    assert list(entries["front"].get_xydata()[0]) == [pytest.approx(0.94), 2]


def test_an_axis_is_logarithmic_where_values_ask_for_it():
    """Multiply-adds from 40 to 800,000: on a linear axis all but the largest networks are one spot."""
    objectives = [Objective("f1", "max", {}), Objective("flops", "min", {})]
    scales = {}
    for most in (100, 800_000):
        values = [{"f1": 0.5, "flops": 40.0}, {"f1": 0.9, "flops": float(most)}]
        told = [Told(Candidate(id, {}), Evaluation(one), 0.0) for id, one in enumerate(values)]
        (axes,) = front_figure(told, told, objectives).axes
        scales[most] = (axes.get_xscale(), axes.get_yscale())

    assert scales == {100: ("linear", "linear"), 800_000: ("log", "linear")}

"""Evaluates a candidate: builds it, trains it, measures it. What goes wrong with it is its status."""

from __future__ import annotations

import gc
import logging
import math
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule, LightningModule, seed_everything
from lightning.pytorch.utilities.exceptions import SIGTERMException
from lightning.pytorch.utilities.model_helpers import is_overridden

from fulmen.artifacts import make_folder
from fulmen.artifacts.disk import explain
from fulmen.costs.quiet import Quiet
from fulmen.engines.running import lacks_memory
from fulmen.errors import DISK_FULL, ArtifactError, ConfigError, DataError, UserError
from fulmen.evaluation.hushing import hushed
from fulmen.evaluation.stopping import Hopeless, LetMeasure, StopHopeless
from fulmen.evaluation.template import Template
from fulmen.evaluation.values import value_of
from fulmen.search.interruption import Terminated
from fulmen.search.objectives import parse
from fulmen.searching import Evaluation, EvaluationStatus
from fulmen.study.rows import plain_evaluation
from fulmen.targets import one_line

_TOO_FEW = re.compile(r"check ([\d.]+) of the `?train_dataloader`? but \S+ \* (\d+) < 1")


def evaluate(template: Template, work: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate a candidate; the function of a search's tasks.

    Args:
        template: What it is laid over.
        work: Plain data: ``overlay`` (the candidate's and its fidelity's), ``seed``, ``objectives``,
            ``abort`` (the options of `StopHopeless`), ``folder`` (where its checkpoint goes; None keeps
            none), ``test`` (whether it is tested at the end), ``will_test`` (whether the best will be).

    Returns:
        An Evaluation as plain data.

    Raises:
        UserError: an objective or the data are not what the config says: so it is for all candidates.
        ArtifactError: the disk is full, which is no failure of the candidate's either.
        Terminated: SIGTERM came during the training.
    """
    start = time.monotonic()
    try:
        with hushed():
            evaluation = _evaluated(template, work)
    except Hopeless as hopeless:
        evaluation = Evaluation(hopeless.values, status=hopeless.status, failure=str(hopeless))
    except (ConfigError, DataError, ArtifactError):
        raise
    except SIGTERMException as error:  # no failure of the candidate's
        raise Terminated from error
    except UserError as error:  # a network that refuses its input
        evaluation = Evaluation(status="invalid", failure=str(error))
    except MisconfigurationException as error:
        if few := _TOO_FEW.search(str(error)):
            least = math.ceil(100 / int(few[2])) / 100
            raise ConfigError(
                f"fidelity: data: {few[1]} of {few[2]} training batches is none; expected {least:g} or more, "
                "or smaller batches."
            ) from error
        raise ConfigError(f"trainer: {one_line(error).partition(': ')[2]}") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise explain(Path(error.filename or work["folder"]), error) from error
        logging.getLogger(__name__).exception(
            "candidate failed: %s", one_line(error)
        )  # into the worker's file
        status: EvaluationStatus = "oom" if lacks_memory(error) else "crash"
        evaluation = Evaluation(status=status, failure=one_line(error))
    # A trainer, its model and its data hold each other: their gigabytes would stay for several candidates.
    gc.collect()
    return {**plain_evaluation(evaluation), "seconds": time.monotonic() - start}


def _evaluated(template: Template, work: Mapping[str, Any]) -> Evaluation:
    objectives = parse(work["objectives"])
    folder = Path(work["folder"])
    seed_everything(work["seed"], workers=True, verbose=False)
    quiet = Quiet()
    try:
        stopping = StopHopeless(**work["abort"])
        callbacks = [stopping, LetMeasure(quiet)]
        try:
            trainer, model, data = template.build(work["overlay"], folder, callbacks)
        except ConfigError as error:
            return Evaluation(status="invalid", failure=str(error))
        if work["will_test"]:
            _require_test(model, data)
        with quiet.working():
            trainer.fit(model, datamodule=data)
        checkpoint = make_folder(folder) / "model.ckpt"
        trainer.save_checkpoint(checkpoint)
        values = dict(stopping.reached)
        for objective in objectives:
            if "cost" in objective.source:
                values |= value_of(objective, trainer, model, data, template.reference, checkpoint)
            else:
                with quiet.working():
                    values |= value_of(objective, trainer, model, data, template.reference, checkpoint)
        if work["test"]:
            with quiet.working():
                (tested,) = trainer.test(model, datamodule=data, verbose=False)
            values |= {name: float(value) for name, value in tested.items()}
    finally:
        quiet.close()
        shutil.rmtree(folder / "pieces", ignore_errors=True)
    return Evaluation(values, artifacts={"checkpoint": str(checkpoint)})


def _require_test(model: LightningModule, data: LightningDataModule | None) -> None:
    """Refuse, before anything is trained, what could not be tested in the end.

    Raises:
        ConfigError: the model or the data has no part for it.
    """
    for one, needed in ((model, "test_step"), (data, "test_dataloader")):
        if one is not None and not is_overridden(needed, one):
            raise ConfigError(
                f"final: trains the best and tests them; {type(one).__name__} has no {needed}: write one, or "
                "leave final out."
            )

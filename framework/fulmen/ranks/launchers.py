"""Lightning's launchers, with a watch over the processes that they launch.

The launcher is the one place through which every verb of every strategy goes in every process: in
those that a script starts anew (ddp, fsdp, deepspeed), those that are spawned or forked, and those
that torchrun or a cluster has started.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch import Trainer
from lightning.pytorch.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException

from fulmen.ranks import verdicts
from fulmen.ranks.folder import RankFolder
from fulmen.ranks.loopback import on_loopback
from fulmen.ranks.processes import out_of_memory_kills
from fulmen.ranks.signals import SignalConnector
from fulmen.ranks.watching import Place, Watch

_FOLDER = "FULMEN_RANKS"  # tells the processes that a script starts where the folder is
_verbs = itertools.count(1)


def supervise(trainer: Trainer) -> None:
    """Make a failing rank end each of this Trainer's runs, with that rank's own error and status 1.

    A rank that raises, dies or is stopped (for ``FULMEN_RANK_TIMEOUT`` seconds, by default 20) ends
    the ranks of its host within seconds; those of other hosts notice by their broken connections.
    On one host the run listens on the loopback alone. A strategy with one process, or with a
    launcher unlike Lightning's two, stays as it is.
    """
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher | _SubprocessScriptLauncher):
        trainer._signal_connector.__class__ = SignalConnector
    if type(launcher) is _MultiProcessingLauncher:
        launcher.__class__ = SupervisedMultiProcessingLauncher
    elif isinstance(launcher, _SubprocessScriptLauncher):
        kind = type(launcher)
        bases = (SupervisedScriptLauncher, kind)
        plain = kind is _SubprocessScriptLauncher
        launcher.__class__ = SupervisedScriptLauncher if plain else type(kind.__name__, bases, {})


class SupervisedScriptLauncher(_SubprocessScriptLauncher):
    """Starts the script again for each rank, or takes its place among ranks that something else started."""

    def launch(
        self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any
    ) -> Any:
        """Run a verb in every rank, watched."""
        environment = self.cluster_environment
        place = _place(environment, self.num_processes)
        with on_loopback(environment, self.num_nodes == 1, serves=place.rank == 0):
            if self.num_processes == 1:
                return super().launch(function, *args, trainer=trainer, **kwargs)
            watch = Watch(
                _folder(environment, place),
                place,
                next(_verbs),
                children=lambda: self._children(place),
                is_terminated=lambda: trainer is not None and trainer.received_sigterm,
            )
            return self._launch(watch, function, *args, trainer=trainer, **kwargs)

    def _launch(self, watch: Watch, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            self._dismiss_observer()
            return function(*args, **kwargs)

        try:
            with watch:
                return super().launch(run, *args, **kwargs)
        except BaseException:
            watch.end_run()
            raise

    def _children(self, place: Place) -> dict[int, Popen[bytes]]:
        return {place.first + 1 + index: process for index, process in enumerate(self.procs)}

    def _dismiss_observer(self) -> None:
        """Keep Lightning's observer from killing this process before it can say what happened."""
        for thread in threading.enumerate():
            if isinstance(thread, _ChildProcessObserver) and thread._child_processes is self.procs:
                thread._child_processes = []


class SupervisedMultiProcessingLauncher(_MultiProcessingLauncher):
    """Spawns or forks the ranks; this process is none of them, and speaks for all."""

    def launch(
        self, function: Callable[..., Any], *args: Any, trainer: Trainer | None = None, **kwargs: Any
    ) -> Any:
        """Run a verb in every rank, watched."""
        environment: Any = self._strategy.cluster_environment
        size: int = getattr(self._strategy, "num_processes", 1)
        with on_loopback(environment, getattr(self._strategy, "num_nodes", 1) == 1, serves=True):
            if size == 1:
                return super().launch(function, *args, trainer=trainer, **kwargs)
            folder, memory_kills = RankFolder.make(), out_of_memory_kills()
            first = environment.node_rank() * size
            watched = _Watched(function, str(folder.path), first, size)
            try:
                return super().launch(watched, *args, trainer=trainer, **kwargs)
            except (ProcessExitedException, ProcessRaisedException) as error:
                raise _explain(error, folder, first, out_of_memory_kills() > memory_kills) from None
            finally:
                folder.remove()


@dataclass(frozen=True)
class _Watched:
    """A verb in a spawned rank; it is sent there, so that it holds plain data and the verb."""

    function: Callable[..., Any]
    folder: str
    first: int
    size: int

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        place = Place(self.first + int(os.environ["LOCAL_RANK"]), self.first, self.size)
        trainer = getattr(self.function, "__self__", None)
        with Watch(
            RankFolder(self.folder),
            place,
            is_terminated=lambda: bool(getattr(trainer, "received_sigterm", False)),
            needs_speaker=True,
        ):
            return self.function(*args, **kwargs)


def _explain(
    error: ProcessExitedException | ProcessRaisedException, folder: RankFolder, first: int, starved: bool
) -> Exception:
    """Return what happened: as the ranks found, but for a death, of which their parent knows more."""
    verdict, rank = folder.verdict(), first + error.error_index
    if verdict and verdict.kind != "died" and (verdict.kind == "stopped" or verdict.rank == rank):
        return verdict.error()
    if isinstance(error, ProcessExitedException) and (error.exit_code < 0 or verdict is None):
        return verdicts.died(rank, error.error_pid, error.exit_code, starved).error()
    return verdict.error() if verdict else error


def _place(environment: ClusterEnvironment, size: int) -> Place:
    if isinstance(environment, LightningEnvironment):  # which learns its rank later than this
        rank = environment.node_rank() * size + environment.local_rank()
    else:
        rank = environment.global_rank()
    return Place(rank, rank - environment.local_rank(), size)


def _folder(environment: ClusterEnvironment, place: Place) -> RankFolder:
    """Return the folder of this run: a new one, that of the process that started this, or a shared one."""
    if not environment.creates_processes_externally:
        folder = RankFolder.make()
        os.environ[_FOLDER] = str(folder.path)
    elif isinstance(environment, LightningEnvironment) and _FOLDER in os.environ:
        return RankFolder(os.environ[_FOLDER])
    else:
        folder = RankFolder.shared(*_key(environment))
        if place.rank != place.first:
            return folder
        folder.set_speaker()
    atexit.register(_remove, folder, os.getpid())
    return folder


def _key(environment: ClusterEnvironment) -> tuple[tuple[str | None, ...], bool]:
    """Return what all processes of a run that something else started know alike, and no other run does.

    The second value says whether that holds for earlier runs, too.
    """
    if isinstance(environment, TorchElasticEnvironment):
        names = ("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "MASTER_PORT")
        return (str(os.getppid()), *map(os.environ.get, names)), True
    if isinstance(environment, SLURMEnvironment):
        return tuple(map(os.environ.get, ("SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_RESTART_COUNT"))), True
    return tuple(map(os.environ.get, ("MASTER_ADDR", "MASTER_PORT"))), False


def _remove(folder: RankFolder, pid: int) -> None:
    if os.getpid() == pid:
        folder.remove()

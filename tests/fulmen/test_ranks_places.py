"""Promise: the ranks' folder is private, one host's rendezvous on the loopback, every launcher watched."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import psutil
import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch.multiprocessing.spawn import ProcessExitedException

from fulmen.errors import UserError
from fulmen.ranks import launchers, supervise
from fulmen.ranks.folder import RankFolder
from fulmen.ranks.loopback import on_loopback
from fulmen.ranks.verdicts import Verdict


@pytest.fixture
def folder(tmp_path: Path) -> RankFolder:
    (tmp_path / "ranks").mkdir()
    return RankFolder(tmp_path / "ranks")


def test_the_folder_is_private(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for folder in (RankFolder.make(), RankFolder.shared(("a",), True)):
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    same = RankFolder.shared(("a",), True)
    assert same.path == folder.path
    assert RankFolder.shared(("b",), True).path != folder.path

    folder.path.chmod(0o777)
    with pytest.raises(UserError, match="not this user's private folder"):
        RankFolder.shared(("a",), True)


def test_a_folder_that_is_gone_fails_nothing(tmp_path):
    folder = RankFolder(tmp_path / "gone")
    folder.enter(0, "running", 1)
    folder.remove()

    assert folder.entry(0) is None
    assert folder.verdict() is None
    assert not folder.path.exists()


def test_the_rendezvous_is_served_on_the_loopback_and_forgotten_after(monkeypatch):
    monkeypatch.delenv("GLOO_SOCKET_IFNAME", raising=False)
    environment = LightningEnvironment()
    before = dict(os.environ)
    with on_loopback(environment, one_host=True, serves=True):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"
        listening = psutil.Process().net_connections("inet")
        ours = [one.laddr.ip for one in listening if one.laddr.port == environment.main_port]
        assert set(ours) == {"127.0.0.1"}
        client = torch.distributed.TCPStore("127.0.0.1", environment.main_port)
        client.set("key", "value")
        assert client.get("key") == b"value"

    assert dict(os.environ) == before


def test_settings_of_the_users_and_of_several_hosts_stay(monkeypatch):
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "eth7")
    with on_loopback(LightningEnvironment(), one_host=True, serves=True):
        assert os.environ["GLOO_SOCKET_IFNAME"] == "eth7"
    before = dict(os.environ)
    with on_loopback(LightningEnvironment(), one_host=False, serves=True):
        assert dict(os.environ) == before


def test_a_port_that_is_taken_is_refused(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with (
            pytest.raises(UserError, match=f"MASTER_PORT: {port} cannot be used"),
            on_loopback(LightningEnvironment(), one_host=True, serves=True),
        ):
            pass


class OwnLauncher(_SubprocessScriptLauncher):
    """A launcher of a plugin's strategy."""


class OwnStrategy(DDPStrategy):
    def _configure_launcher(self) -> None:
        self._launcher = OwnLauncher(self.cluster_environment, self.num_processes, self.num_nodes)


@pytest.mark.parametrize(
    ("strategy", "launcher"),
    [
        ("ddp", launchers.SupervisedScriptLauncher),
        ("ddp_spawn", launchers.SupervisedMultiProcessingLauncher),
        ("ddp_fork", launchers.SupervisedMultiProcessingLauncher),
        (OwnStrategy, launchers.SupervisedScriptLauncher),
    ],
)
def test_the_launcher_of_every_strategy_is_watched(tmp_path, strategy, launcher):
    given = strategy if isinstance(strategy, str) else strategy()
    trainer = Trainer(strategy=given, accelerator="cpu", devices=2, logger=False, default_root_dir=tmp_path)
    stock = type(trainer.strategy.launcher)
    supervise(trainer)

    assert isinstance(trainer.strategy.launcher, launcher)
    assert isinstance(trainer.strategy.launcher, stock)


def test_a_trainer_of_one_process_stays_as_it_is(tmp_path):
    trainer = Trainer(accelerator="cpu", devices=1, logger=False, default_root_dir=tmp_path)
    supervise(trainer)

    assert trainer.strategy.launcher is None


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (None, "rank 1 (pid 11) was killed by SIGKILL"),
        (Verdict(1, 11, "died", "rank 1 is gone"), "rank 1 (pid 11) was killed by SIGKILL"),
        (Verdict(0, 10, "raised", "rank 0 raised an echo"), "rank 1 (pid 11) was killed by SIGKILL"),
        (Verdict(1, 11, "raised", "rank 1 raised an error"), "rank 1 raised an error"),
        (Verdict(1, 11, "stopped", "rank 1 was stopped"), "rank 1 was stopped"),
    ],
)
def test_the_parent_of_spawned_ranks_tells_what_they_cannot_know(folder, verdict, expected):
    if verdict:
        folder.pass_verdict(verdict)
    error = ProcessExitedException("", error_index=1, error_pid=11, exit_code=-9, signal_name="SIGKILL")

    assert str(launchers._explain(error, folder, 0, False)).startswith(expected)

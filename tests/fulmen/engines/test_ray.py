"""The engine on Ray: the suite of all engines, and workers and machines that die; on one cluster."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from fulmen.engines.ray_engine import RayEngine
from fulmen.errors import ConfigError, UserError
from fulmen.testing import EngineConformance
from fulmen.testing.engine import gather, run, task

pytestmark = pytest.mark.process
ray = pytest.importorskip("ray", reason="needs the extra 'ray'")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def engine(output):
    """One for all tests: to begin a cluster takes ten seconds."""
    others = psutil.Process().children(recursive=True)  # of tests before
    engine = RayEngine(workers=2, threads=2, timeout_s=3.0, memory_mb=900)
    engine.output = output
    engine.submit(task("first", "give_back", 0))
    gather(engine, 1, 240)  # a cluster may be slow to begin
    yield engine
    begun = [process for process in psutil.Process().children(recursive=True) if process not in others]
    assert begun
    engine.close()
    left = psutil.wait_procs(begun, timeout=10)[1]
    assert not left


class TestRay(EngineConformance):
    component = "ray"

    @pytest.fixture
    def engine(self, engine):
        """The module's: the kit's own would be a cluster for each test."""
        return engine


def test_there_are_as_many_workers_as_were_asked_for(engine):
    """The cluster of its own has a core for each of their threads."""
    assert engine.slots == 2


@pytest.mark.parametrize("how", ["kill", "exit", "garbage"])
def test_a_worker_that_dies_once_costs_one_more_try(engine, tmp_path, how):
    tasks = [task(f"t{n}", "give_back", n) for n in range(6)]
    tasks.insert(1, task("poison", "die", how, str(tmp_path / "once")))

    outcomes = run(engine, tasks)

    assert outcomes["poison"].result == "alive"
    assert [outcomes[f"t{n}"].result for n in range(6)] == [[n] for n in range(6)]


def test_a_worker_that_dies_twice_is_the_tasks_failure(engine):
    outcomes = run(
        engine, [task("poison", "die", "kill"), *(task(f"t{n}", "give_back", n) for n in range(6))]
    )

    assert (outcomes["poison"].status, outcomes["poison"].failure) == (
        "crash",
        "its worker was killed by SIGKILL, 2 times",
    )
    assert [outcomes[f"t{n}"].result for n in range(6)] == [[n] for n in range(6)]


def test_limits_of_time_and_memory_hold(engine):
    outcomes = run(
        engine, [task("hang", "sleep", 60.0), task("eat", "eat", 1200), task("next", "give_back", 1)]
    )

    assert (outcomes["hang"].status, outcomes["hang"].failure) == (
        "timeout",
        "it took more than 3 s (timeout_s), 2 times",
    )
    assert outcomes["eat"].status == "oom"
    assert outcomes["next"].result == [1]


def test_a_machine_that_is_lost_costs_one_more_try(engine, tmp_path):
    """Its actor is killed while it works: with it go its workers, and a new one takes the tasks."""
    workers = run(engine, [task(f"pid{n}", "pid") for n in range(2)])
    for number in range(4):
        engine.submit(task(f"t{number}", "sleep", 1.0))
    engine.poll(0.5)
    (actor,) = {psutil.Process(outcome.result).parent().ppid() for outcome in workers.values()}
    os.kill(actor, signal.SIGKILL)

    assert {key: outcome.result for key, outcome in gather(engine, 4).items()} == {
        f"t{n}": 1.0 for n in range(4)
    }
    assert not [o.result for o in workers.values() if psutil.pid_exists(o.result)]


def test_what_a_running_task_is_cancelled_for_is_not_told(engine):
    engine.submit(task("long", "sleep", 2.0))
    engine.poll(0.3)
    engine.cancel("long")
    start = time.monotonic()

    assert run(engine, [task("next", "give_back", 1)])["next"].result == [1]
    assert time.monotonic() - start < 30
    assert engine.poll(0.0) == []


def test_what_tasks_print_is_in_the_folder_of_their_machine(engine, output):
    from fulmen.searching import Task

    engine.submit(Task("print", "builtins:print", ("hello",)))
    gather(engine, 1)

    (folder,) = output.iterdir()
    assert folder.name == os.uname().nodename
    assert "hello\n" in "".join(path.read_text() for path in folder.glob("worker-*.log"))


def test_nothing_listens_beyond_the_loopback(engine):
    run(engine, [task("up", "pid")])
    ours = [psutil.Process(), *psutil.Process().children(recursive=True)]
    listening = {
        connection.laddr.ip
        for process in ours
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }

    assert listening
    assert all(ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback for ip in listening), listening


def test_who_lacks_the_token_is_refused(engine):
    """Others on this machine reach the loopback too, and a cluster of Ray's runs whatever it is sent."""
    run(engine, [task("up", "pid")])
    script = f"import ray; ray.init({ray.get_runtime_context().gcs_address!r}); print('in')"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment["RAY_AUTH_MODE"], environment["RAY_AUTH_TOKEN"] = "token", "0" * 64
    environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # or it would look beyond the loopback
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as asking:
        assert asking.stdout is not None
        answers = iter(asking.stdout.readline, "")
        assert any("token is missing or incorrect" in line for line in answers)
        asking.kill()  # it would ask for a minute


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "workers: expected 1 to 100000, got 0"),
        ({"threads": 0}, "threads: expected 1 to"),
        ({"timeout_s": 0}, "timeout_s: expected 0.01 or more, got 0"),
        ({"memory_mb": 1}, "memory_mb: expected 64 or more, got 1"),
        ({"tasks_per_worker": 0}, "tasks_per_worker: expected 1 or more"),
        ({"retries": -1}, "retries: expected 0 to 100, got -1"),
        ({"lost_after_s": 0.1}, "lost_after_s: expected 1 or more, got 0.1"),
        ({"address": "ray://head:10001"}, "address: expected auto or HOST:PORT, got ray://head:10001"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=f"engine ray: {said}"):
        RayEngine(**options)


def test_without_ray_one_line_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(UserError, match=r"^engine ray needs the extra 'ray': pip install 'fulmen\[ray\]'$"):
        RayEngine()

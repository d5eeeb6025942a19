"""Workers that die, hang, babble or eat: each costs what it did, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

import psutil
import pytest

from fulmen.engines import worker_process
from fulmen.engines.processes import ProcessesEngine
from fulmen.errors import ConfigError, FulmenError
from fulmen.testing.engine import gather, run, task

pytestmark = pytest.mark.process


@pytest.fixture
def engine():
    engine = ProcessesEngine(workers=2)
    yield engine
    engine.close()


@pytest.fixture
def make_engine():
    made = []

    def make(**options):
        made.append(ProcessesEngine(**{"workers": 1, **options}))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.mark.parametrize("how", ["kill", "exit", "segfault", "garbage"])
def test_a_worker_that_dies_once_costs_one_more_try(engine, tmp_path, how):
    tasks = [task(f"t{n}", "give_back", n) for n in range(6)]
    tasks.insert(1, task("poison", "die", how, str(tmp_path / "once")))

    outcomes = run(engine, tasks)

    assert outcomes["poison"].result == "alive"
    assert [outcomes[f"t{n}"].result for n in range(6)] == [[n] for n in range(6)]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("kill", "its worker was killed by SIGKILL, 2 times"),
        ("exit", "its worker ended with status 0 and no result, 2 times"),
        ("segfault", "its worker was killed by SIGSEGV, 2 times"),
        ("garbage", "its worker answered garbage (b'Epoch 1: 100%|#####|'), 2 times"),
    ],
)
def test_a_worker_that_dies_twice_is_the_tasks_failure(engine, how, said):
    outcomes = run(engine, [task("poison", "die", how), *(task(f"t{n}", "give_back", n) for n in range(6))])

    assert (outcomes["poison"].status, outcomes["poison"].failure) == ("crash", said)
    assert [outcomes[f"t{n}"].result for n in range(6)] == [[n] for n in range(6)]


@pytest.mark.parametrize("how", ["sleep", "stop"])
def test_a_worker_that_hangs_is_stopped(make_engine, how):
    engine = make_engine(timeout_s=0.4, retries=0)
    hang = task("hang", "sleep", 60.0) if how == "sleep" else task("hang", "die", "stop")

    outcomes = run(engine, [hang, task("next", "give_back", 1)])

    assert outcomes["hang"].status == "timeout"
    assert outcomes["hang"].failure == "it took more than 0.4 s (timeout_s)"
    assert outcomes["next"].result == [1]


def test_a_task_may_be_allowed_more_time(make_engine):
    engine = make_engine(timeout_s=0.4, retries=0)
    longer = [
        replace(task(f"t{n}", "sleep", seconds), allowance=3.0) for n, seconds in enumerate((0.7, 60.0))
    ]

    outcomes = run(engine, longer)

    assert outcomes["t0"].status == "ok"
    assert outcomes["t1"].failure == "it took more than 1.2 s (timeout_s, 3 times for this one)"


@pytest.mark.parametrize("piecewise", [False, True])
def test_a_worker_that_eats_memory_is_stopped(make_engine, piecewise):
    engine = make_engine(memory_mb=900)

    outcomes = run(engine, [task("eat", "eat", 1200, piecewise), task("next", "give_back", 1)])

    assert outcomes["eat"].status == "oom"
    assert outcomes["next"].result == [1]


def test_what_a_workers_loaders_share_with_it_counts_once(make_engine):
    """Six processes of 600 MB, which are the same megabytes."""
    engine = make_engine(memory_mb=1200)

    assert run(engine, [task("share", "share", 300, 5, 1.0)])["share"].result == "alive"


def test_a_result_that_is_too_large_is_a_failure(engine):
    outcome = run(engine, [task("big", "big_result", 80)])["big"]

    assert outcome.failure == (
        "ValueError: fulmen.testing.tasks:big_result gave 80 MiB; at most 64 MiB cross: "
        "write a file and return its path."
    )


def test_a_large_result_and_a_large_argument_cross(engine):
    text = "x" * (5 * 2**20)

    assert run(engine, [task("echo", "give_back", text)])["echo"].result == [text]


def test_what_tasks_print_goes_to_the_file_of_their_worker(engine, tmp_path, capfd):
    engine.output = tmp_path
    run(engine, [task("loud", "die", "garbage", str(tmp_path / "once")), task("next", "give_back", 1)])
    from fulmen.searching import Task

    engine.submit(Task("print", "builtins:print", ("hello",)))
    gather(engine, 1)

    assert "hello\n" in "".join(path.read_text() for path in tmp_path.glob("worker-*.log"))
    assert capfd.readouterr().out == ""


def test_workers_stay_and_are_replaced_after_their_share(make_engine):
    engine = make_engine(tasks_per_worker=3)

    pids = [run(engine, [task(f"t{n}", "pid")])[f"t{n}"].result for n in range(7)]

    assert pids[0] == pids[1] == pids[2]
    assert pids[3] == pids[4] == pids[5]
    assert len(set(pids)) == 3


def test_a_second_worker_is_there_soon(make_engine):
    engine = make_engine(tasks_per_worker=1)
    run(engine, [task("first", "pid")])
    times = []
    for number in range(5):
        start = time.monotonic()
        run(engine, [task(f"t{number}", "pid")])
        times.append(time.monotonic() - start)

    assert min(times) < 0.3, times


def test_tasks_that_inherit_see_what_this_process_holds(engine):
    from fulmen.searching import Task

    HELD["answer"] = 41
    function, setup = f"{__name__}:plus", f"{__name__}:held"
    tasks = [Task(f"t{n}", function, (n,), setup, ("answer",), inherits=True) for n in range(4)]

    results = [outcome.result for _, outcome in sorted(run(engine, tasks).items())]

    assert [result[0] for result in results] == [41, 42, 43, 44]
    assert os.getpid() not in {result[1] for result in results}


HELD: dict[str, int] = {}


def held(name):
    return HELD[name]


def plus(shared, number):
    return [shared + number, os.getpid()]


def test_no_worker_outlives_close(engine):
    run(engine, [task(f"t{n}", "pid") for n in range(4)])
    pids = engine.pids
    engine.submit(task("long", "sleep", 60.0))
    engine.poll(0.1)
    engine.close()

    assert len(pids) == 2
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


SCRIPT = """
import sys, time
from fulmen.engines import worker_process
from fulmen.engines.processes import ProcessesEngine
from fulmen.searching import Task
if __name__ == "__main__":
    worker_process.PRELOADED = ()  # these workers need no Lightning
    engine = ProcessesEngine(workers=2)
    for number in range(2):
        engine.submit(Task(f"t{number}", "time:sleep", (60.0,), inherits=sys.argv[1] == "forked"))
    for _ in range(600):
        engine.poll(0.1)
        if all(worker.process.ready for worker in engine._workers) and len(engine.pids) == 2:
            break
    print(*engine.pids, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("sort", ["forked", "served"])
def test_workers_go_with_a_run_that_is_killed(tmp_path, sort):
    (tmp_path / "script.py").write_text(SCRIPT)
    with subprocess.Popen([sys.executable, "script.py", sort], cwd=tmp_path, stdout=subprocess.PIPE) as run_:
        assert run_.stdout is not None
        pids = [int(word) for word in run_.stdout.readline().split()]
        os.kill(run_.pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < end:
        time.sleep(0.05)

    assert len(pids) == 2
    assert not any(map(psutil.pid_exists, pids))


SIGNALLED = """
import os, signal
from fulmen.engines import worker_process
from fulmen.engines.processes import ProcessesEngine
from fulmen.searching import Task

def send():
    os.killpg(0, signal.SIGINT)
    os.killpg(0, signal.SIGTERM)

if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    worker_process.PRELOADED = ("slow",)
    engine = ProcessesEngine(workers=1, tasks_per_worker=1, retries=0)
    for number in range(3):
        engine.submit(Task(f"t{number}", "os:getpid"))
    engine.poll(0.5)
    send()
    statuses = []
    while len(statuses) < 3:
        statuses += [outcome.status for outcome in engine.poll(10)]
        send()
    print(*statuses)
    engine.submit(Task("mortal", "time:sleep", (60.0,)))
    while not any(worker.process.ready for worker in engine._workers):
        engine.poll(0.1)
    os.kill(engine.pids[0], signal.SIGTERM)
    print(engine.poll(10)[0].failure)
    engine.close()
"""


def test_a_signal_to_the_process_group_takes_no_fork_server(tmp_path):
    """As of Ctrl-C in a terminal, or of a scheduler: else the run ends by a worker that it cannot begin."""
    (tmp_path / "script.py").write_text(SIGNALLED)
    (tmp_path / "slow.py").write_text("import time; time.sleep(1)")
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, start_new_session=True
    )

    assert done.stdout.splitlines() == ["ok ok ok", "its worker was killed by SIGTERM"], done.stderr


def kill_fork_server():
    forkserver.ensure_running()
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)


def test_a_fork_server_that_is_gone_is_begun_anew(make_engine):
    engine = make_engine(tasks_per_worker=1)
    run(engine, [task("first", "give_back", 1)])

    kill_fork_server()

    assert run(engine, [task("second", "give_back", 2)])["second"].result == [2]


def test_a_fork_server_that_does_not_come_up_is_one_line(make_engine, tmp_path, monkeypatch, capfd):
    (tmp_path / "broken_import.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(worker_process, "PRELOADED", ("broken_import",))
    kill_fork_server()  # the next is begun with these imports

    with pytest.raises(FulmenError, match=r"^engine processes: the process that workers are forked from"):
        run(make_engine(), [task("first", "give_back", 1)])
    assert "shadowed" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": 0}, "workers: expected 1 to"),
        ({"workers": 1_000_000_000}, "workers: expected 1 to"),
        ({"threads": 0}, "threads: expected 1 to"),
        ({"timeout_s": 0}, "timeout_s: expected 0.01 or more, got 0"),
        ({"memory_mb": 1}, "memory_mb: expected 64 or more, got 1"),
        ({"tasks_per_worker": 0}, "tasks_per_worker: expected 1 or more"),
        ({"retries": -1}, "retries: expected 0 to 100, got -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ConfigError, match=said):
        ProcessesEngine(**options)


def test_eight_sleeping_workers_are_busy(make_engine):
    """Efficiency: the share of the workers' time in which they slept for a task."""
    engine = make_engine(workers=8)
    run(engine, [task(f"warm{n}", "sleep", 0.3) for n in range(8)])
    seconds = [0.15 + 0.02 * (n % 7) for n in range(80)]
    start = time.monotonic()
    run(engine, [task(f"t{n}", "sleep", s) for n, s in enumerate(seconds)])

    # The last tasks of each worker end apart: that is the schedule's, at most one task's length.
    assert sum(seconds) / 8 / (time.monotonic() - start) > 0.8


def test_the_folder_of_outputs_is_kept_small(make_engine, tmp_path):
    engine = make_engine(tasks_per_worker=1)
    engine.output = tmp_path
    (tmp_path / "worker-1.log").write_bytes(b"x" * (17 * 2**20))
    run(engine, [task("a", "pid"), task("b", "pid")])

    assert Path(tmp_path / "worker-1.log").stat().st_size < 2**20

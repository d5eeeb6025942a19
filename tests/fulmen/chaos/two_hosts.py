"""A search on two hosts of a Ray cluster, one of which is cut off and then killed; nothing may be lost.

    unshare -m python two_hosts.py

The hosts are made of this machine: each has its own network, mounts, /tmp, hostname and processes, and they
see each other over one virtual cable. Host a runs the search, host b only works. Prints one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from own_tmp import own_tmp

ADDRESSES = {"a": "10.9.0.1", "b": "10.9.0.2"}
PORT = 6379
EVALUATIONS = 40
LOST_AFTER = 4.0
BEFORE_THE_CUT = 8  # results


def work(x: float, seconds: float) -> dict:
    """Be an evaluation."""
    time.sleep(seconds)
    return {"values": {"loss": x * x}}


def where() -> str:
    """Return the name of the host."""
    return os.uname().nodename


def read_data(path: str) -> str:
    """Need data that only one host has; take long enough that both get one to do."""
    time.sleep(0.5)
    return Path(path).read_text()


def cable() -> None:
    """Make the hosts' networks and the cable between them; what is made goes with this process's mounts."""
    for command in [
        "mount --make-rprivate /",
        "mkdir -p /run/netns",
        "mount -t tmpfs none /run/netns",
        *(f"ip netns add {name}" for name in ADDRESSES),
        "ip link add va netns a type veth peer name vb netns b",
        *(f"ip -n {name} addr add {address}/24 dev v{name}" for name, address in ADDRESSES.items()),
        *(f"ip -n {name} link set {device} up" for name in ADDRESSES for device in ("lo", f"v{name}")),
    ]:
        subprocess.run(command.split(), check=True)


def begin(name: str) -> subprocess.Popen[str]:
    """Begin this file as a host; its end is that of all that it began."""
    inside = f"hostname host-{name}; {own_tmp()}; exec {sys.executable} {__file__} {name}"
    command = ["ip", "netns", "exec", name, "unshare", "-m", "-u", "-p", "-f", "--kill-child", "--mount-proc"]
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "5" * 64,
        "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}",
    }
    return subprocess.Popen(
        [*command, "bash", "-c", inside],
        env=environment,
        text=True,
        stdout=subprocess.PIPE if name == "a" else subprocess.DEVNULL,
    )


def start_ray(*options: str) -> None:
    """Run ``ray start``, as a user does."""
    script = str(Path(sys.executable).parent / "ray")
    common = ["--num-cpus=1", "--object-store-memory=80000000", "--disable-usage-stats"]
    subprocess.run([script, "start", *options, *common], check=True, stdout=sys.stderr)


def host_b() -> None:
    """Work until killed."""
    for _ in range(60):
        with contextlib.suppress(subprocess.CalledProcessError):
            start_ray(f"--address={ADDRESSES['a']}:{PORT}", f"--node-ip-address={ADDRESSES['b']}")
            break
        time.sleep(1)
    time.sleep(600)


def host_a() -> None:
    """Search; on the way, cut the cable."""
    from fulmen.engines.ray_engine import RayEngine
    from fulmen.search.budget import Budget
    from fulmen.search.loop import SearchLoop
    from fulmen.searching import Candidate, Task
    from fulmen.study import Study
    from fulmen.testing.climber import Climber

    start_ray("--head", f"--port={PORT}", f"--node-ip-address={ADDRESSES['a']}", "--include-dashboard=false")
    engine = RayEngine(f"{ADDRESSES['a']}:{PORT}", lost_after_s=LOST_AFTER)
    found = {"data": missing_data(engine)}
    folder = Path(tempfile.mkdtemp())
    told: list[int] = []
    with Study.open(folder, "two hosts") as study:

        def watch(step) -> None:
            if step is None:
                return
            told.append(step.candidate.id)
            if len(told) == BEFORE_THE_CUT:
                found["hosts"] = sorted(engine.hosts)
                subprocess.run(["ip", "link", "set", "va", "down"], check=True)
                print("cut", flush=True)
                found["cut"] = time.monotonic()

        def make_task(candidate: Candidate, key: str) -> Task:
            return Task(key, "two_hosts:work", (float(candidate.id), 0.4))

        SearchLoop(Climber(), study, engine, make_task, ["loss"], Budget(EVALUATIONS), watch=watch).run()
        results = study.told()
    found["seconds_after_the_cut"] = round(time.monotonic() - found.pop("cut"), 1)
    ids = [one.candidate.id for one in results]
    found |= {
        "told": len(ids),
        "lost": sorted(set(range(EVALUATIONS)) - set(ids)),
        "twice": [id for id, count in Counter(told).items() if count > 1],
        "failed": [str(one.evaluation.failure) for one in results if one.evaluation.status != "ok"],
        "wrong": [o.candidate.id for o in results if o.evaluation.values != {"loss": o.candidate.id**2}],
        "left": engine.hosts,
    }
    print(json.dumps(found), flush=True)


def missing_data(engine) -> list[str]:
    """Let both hosts read a file that only this one has; return what was said of it."""
    from fulmen.searching import Task
    from fulmen.testing.engine import gather

    path = Path("/tmp/patches.csv")
    path.write_text("here")
    end = time.monotonic() + 120
    number = 0
    while len(engine.hosts) < 2 and time.monotonic() < end:  # until both are up
        engine.submit(Task(f"up{number}", "two_hosts:where"))
        gather(engine, 1)
        number += 1
    for number in range(2):
        engine.submit(Task(f"read{number}", "two_hosts:read_data", (str(path),)))
    return sorted(str(outcome.failure or outcome.result) for outcome in gather(engine, 2).values())


def main() -> int:
    """Be both hosts' maker, or one of them."""
    if len(sys.argv) > 1:
        {"a": host_a, "b": host_b}[sys.argv[1]]()
        return 0
    cable()
    a, b = begin("a"), begin("b")
    try:
        assert a.stdout is not None
        for line in a.stdout:
            if line == "cut\n":
                time.sleep(1)
                b.kill()  # and with it all of its processes: none of them says farewell to host a
            else:
                print(line, end="")
        return a.wait()
    finally:
        for host in (a, b):
            host.kill()


if __name__ == "__main__":
    sys.exit(main())

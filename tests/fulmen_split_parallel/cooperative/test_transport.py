"""Promise: rows reach the rank that they are for, whatever their width and dtype, and no wait is for ever."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

from fulmen_split_parallel.cooperative import peers
from fulmen_split_parallel.cooperative.outbox import Address, Outbox
from fulmen_split_parallel.cooperative.peers import Process
from fulmen_split_parallel.cooperative.shared_memory import SharedMemoryTransport
from fulmen_split_parallel.cooperative.transport import gather

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int64, torch.bool]


def all_to_all(transports, rounds):
    """Rank r sends rank s r + 2 s rows in which r, s and the round stand; check what comes."""
    transport = transports[0]
    rank, size = transport.rank, transport.size
    for turn in range(rounds):
        dtype = DTYPES[turn % len(DTYPES)]
        width = (0, 1, 7, 300)[turn % 4]
        send = [0 if s == rank else (rank + 2 * s) * turn for s in range(size)]
        receive = [0 if r == rank else (r + 2 * rank) * turn for r in range(size)]
        labels = torch.repeat_interleave(torch.arange(size), torch.tensor(send))
        held = torch.arange(size).flip(0)[:, None].expand(size, width).to(dtype).contiguous()
        out = torch.empty(sum(receive), width, dtype=dtype)
        transport.exchange(held, size - 1 - labels, send, out, receive)
        assert (out == torch.tensor(rank).to(dtype)).all()

        ids, counts = transport.exchange_ids(labels.numpy() * 1000 + rank, np.array(send))
        assert counts.tolist() == receive
        assert ids.tolist() == [rank * 1000 + r for r in range(size) for _ in range(receive[r])]
    return gather(transport, np.array([rank, rank**2]))


@pytest.mark.parametrize("size", [2, 3])
def test_rows_and_ids_reach_whom_they_are_for(ranks, size):
    found = ranks(size, all_to_all, 24)

    for table in found:
        assert table.tolist() == [[rank, rank**2] for rank in range(size)]


def test_ranks_that_are_out_of_step_are_told_so(ranks):
    def expect_three(transports):
        transport = transports[0]
        if transport.rank == 1:  # sends four
            transport.exchange(torch.zeros(4, 2), None, [4, 0], torch.zeros(0, 2), [0, 0])
            return None
        with pytest.raises(ConnectionError, match="rank 1 sends 4 rows of 8 bytes where 3 of 8"):
            transport.exchange(torch.zeros(0, 2), None, [0, 0], torch.zeros(3, 2), [0, 3])
        return True

    assert ranks(2, expect_three)[0]


@pytest.fixture
def sleeper():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def waiting_for(process, **options):
    """A transport whose peer is a process that never comes, and the error that the wait ends with."""
    boxes = [Outbox(2), Outbox(2)]
    status = Process(process.pid, int(peers._status(process.pid)[19]))
    transport = SharedMemoryTransport(boxes[0], 0, [box.address for box in boxes], **options)
    transport._windows[1].process = status
    found = []

    def wait():
        try:
            transport.exchange_ids(np.zeros(0, np.int64), np.zeros(2, np.int64))
        except ConnectionError as error:
            found.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    return thread, found


def test_a_wait_for_a_process_that_dies_or_is_stopped_or_dawdles_ends_and_names_it(sleeper, monkeypatch):
    monkeypatch.setattr(peers, "STOPPED", 0.5)
    who = rf"rank 1 \(pid {sleeper.pid}\)"

    thread, late = waiting_for(sleeper, timeout=0.5)
    thread.join(10)
    assert "did not come to the exchange in 0 s" in late[0]

    sleeper.send_signal(signal.SIGSTOP)
    thread, stopped = waiting_for(sleeper)
    thread.join(10)
    assert "has been stopped" in stopped[0]

    thread, gone = waiting_for(sleeper)
    os.kill(sleeper.pid, signal.SIGKILL)
    started = time.monotonic()
    thread.join(10)
    assert time.monotonic() - started < 5
    assert "is gone" in gone[0]
    for text in (late[0], stopped[0], gone[0]):
        assert re.search(who, text)
        assert "closed by peer" in text  # what fulmen's watch knows an echo by


def test_a_rank_that_left_is_not_waited_for(ranks):
    def leave(transports):
        if transports[0].rank == 1:
            transports[0].close()
            return None
        with pytest.raises(ConnectionError, match="has left the run"):
            gather(transports[0], np.zeros(1, np.int64))
        return True

    assert ranks(2, leave)[0]


def test_an_outbox_that_cannot_be_opened_is_refused_with_the_remedy():
    box = Outbox(2)
    with pytest.raises(ConnectionError, match="set the strategy's transport to gloo"):
        SharedMemoryTransport(box, 0, [box.address, Address(Process.own(), 10**6)])
    box.close()

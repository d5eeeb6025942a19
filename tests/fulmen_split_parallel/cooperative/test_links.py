"""Promise: a host that is gone without a word is noticed, and one that takes its leave is not missed."""

from __future__ import annotations

import socket
import time

import pytest

from fulmen_split_parallel.cooperative.links import Link, accept, connect, listen


@pytest.fixture
def pair(monkeypatch):
    monkeypatch.setenv("FULMEN_RANK_TIMEOUT", "-1.5")  # with a beat on top, half a second
    ours, theirs = socket.socketpair()
    lost = []
    link = Link(ours, "rank 1 on host-b", lost.append)
    link.start()
    yield link, theirs, lost
    link.close()
    theirs.close()


def test_silence_is_taken_for_a_cut(pair):
    link, _, lost = pair
    link.join(5)

    assert len(lost) == 1
    assert lost[0].startswith(
        "split_parallel: rank 1 on host-b: nothing was heard of it for 0 s: its host is gone"
    )


def test_an_end_without_a_word_is_told_at_once(pair):
    link, theirs, lost = pair
    theirs.recv(64)  # what is unread at the end breaks the connection instead
    theirs.close()
    link.join(5)

    assert "ended without a word" in lost[0]


def test_a_peer_that_beats_or_takes_its_leave_is_not_missed(pair):
    link, theirs, lost = pair
    for _ in range(5):
        theirs.send(b".")
        time.sleep(0.2)
    assert link.is_alive()
    theirs.send(b"q")
    link.join(5)

    assert lost == []


def test_ranks_find_each_other_and_who_does_not_come_is_named():
    listener = listen("127.0.0.1")
    link = connect("127.0.0.1", listener.getsockname()[1], 3, "rank 0 on here")
    (other,) = accept(listener, {3: "rank 3 on there"})
    assert (link.peer, other.peer) == ("rank 0 on here", "rank 3 on there")
    link.close()
    other.join(5)

    with pytest.raises(ConnectionError, match="rank 2 on there did not come"):
        accept(listen("127.0.0.1"), {2: "rank 2 on there"}, timeout=0.2)

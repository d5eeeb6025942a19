"""Promise: ranks that differ are told so, and what is made ahead is made in order."""

from __future__ import annotations

import pytest

from fulmen_split_parallel.cooperative.agreement import Agreement, DisagreementError, digest_of_data
from fulmen_split_parallel.cooperative.lookahead import Lookahead


def test_what_differs_between_ranks_is_refused_by_all(ranks, graph):
    digests = [digest_of_data(graph)] * 3
    changed = graph.features.copy()
    changed[60] += 1
    other = type(graph)(**{**vars_of(graph), "features": changed})
    digests[2] = digest_of_data(other)

    def compare(transports, digests):
        agreement = Agreement(transports[0])
        agreement.require_same("data", digests[0], "copy them")
        with pytest.raises(
            DisagreementError, match=r"data differ: rank 0 on .* has \w{12}, rank 2 on .*; copy them"
        ):
            agreement.require_same("data", digests[agreement.transport.rank], "copy them")
        return True

    assert ranks(3, compare, digests) == [True] * 3


def vars_of(graph):
    return {name: getattr(graph, name) for name in type(graph).__dataclass_fields__}


def test_an_error_of_the_rank_that_partitions_is_not_waited_for(ranks):
    def make(transports):
        rank = transports[0].rank
        with pytest.raises(DisagreementError if rank else ZeroDivisionError):
            Agreement(transports[0]).first_of_each_host(lambda: 1 // 0, rank == 0)
        return Agreement(transports[0]).first_of_each_host(lambda: rank, rank == 0)

    assert ranks(2, make) == [0, 1]


def test_one_mini_batch_is_made_ahead_and_no_more():
    lookahead, made = Lookahead(), []
    iterator = lookahead.each(range(5), lambda item: made.append(item) or item)
    assert made == []
    assert next(iterator) == 0
    assert list(lookahead.each([7], lambda item: item)) == [7]  # after what was asked for before
    assert made == [0, 1]
    assert list(iterator) == [1, 2, 3, 4]
    failing = lookahead.each([1, 0, 1], lambda item: 1 // item)
    assert next(failing) == 1
    with pytest.raises(ZeroDivisionError):
        next(failing)
    lookahead.close()

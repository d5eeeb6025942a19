"""Promise: rows end where the route says, and their gradients go back the same way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from test_plan import owners
from torch import nn
from torch.autograd import gradcheck

from fulmen_split_parallel.cooperative.plan import Planner
from fulmen_split_parallel.cooperative.reduction import SumOverRanks
from fulmen_split_parallel.cooperative.route import Route, home_route
from fulmen_split_parallel.cooperative.shuffle import Shuffle
from fulmen_split_parallel.sampling.neighbour import NeighbourSampler


class Same(torch.autograd.Function):
    """What is the same at every rank; its gradient is the sum of what each rank makes of it."""

    @staticmethod
    def forward(ctx, values, total):
        ctx.total = total
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.total(gradient), None


class Everyones(torch.autograd.Function):
    """The rows of all ranks, one after another; each rank's gradient is its own part."""

    @staticmethod
    def forward(ctx, rows, total, transport, lengths):
        ctx.place = slice(sum(lengths[: transport.rank]), sum(lengths[: transport.rank + 1]))
        whole = rows.new_zeros(sum(lengths), rows.shape[1])
        whole[ctx.place] = rows
        return total(whole)

    @staticmethod
    def backward(ctx, gradient):
        return gradient[ctx.place], None, None, None


def check_shuffle(transports, routes, width):
    """Gradcheck of the exchange as a whole: from the rows of all ranks to the rows of all ranks."""
    transport = transports[1]
    route, total = routes[transport.rank], SumOverRanks(transport)
    held, ended = [r.rows_in for r in routes], [r.rows_out for r in routes]

    def exchange(rows):
        own = Same.apply(rows, total)[sum(held[: transport.rank]) :][: route.rows_in]
        return Everyones.apply(Shuffle(route, transport)(own), total, transport, ended)

    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(sum(held), width, dtype=torch.float64, generator=generator, requires_grad=True)
    return gradcheck(exchange, rows), exchange(rows).detach(), rows.detach()


def test_gradcheck_of_the_shuffle_of_a_plan(ranks, graph):
    owner = owners("random", graph, 3)

    def plan(transports):
        planner = Planner(NeighbourSampler(graph), owner, transports[0])
        return planner.plan(graph.train_idx[:6], [2], seed=0, epoch=0, step=0)

    plans = ranks(3, plan)
    routes = [plan.layers[0].route for plan in plans]
    results = ranks(3, check_shuffle, routes, 2)

    assert all(passed for passed, _, _ in results)
    _, found, rows = results[0]
    held = np.concatenate([plan.inputs for plan in plans])
    wanted = np.concatenate([plan.layers[0].block.sources for plan in plans])
    row_of = {vertex: row for row, vertex in enumerate(held)}
    assert (found == rows[[row_of[vertex] for vertex in wanted]]).all()
    assert sum(route.num_received for route in routes) > 5  # else nothing was shown


def test_gradcheck_of_the_way_home(ranks):
    seeds, owners_of = np.arange(10) * 7, np.array([0, 0, 2, 2, 2, 0, 2, 2, 0, 0])  # rank 1 owns none
    routes, homes = zip(*[home_route(seeds, owners_of, rank, 3) for rank in range(3)], strict=True)
    results = ranks(3, check_shuffle, routes, 1)

    assert all(passed for passed, _, _ in results)
    _, found, rows = results[0]
    held = np.concatenate([seeds[owners_of == rank] for rank in range(3)])
    row_of = {vertex: row for row, vertex in enumerate(held)}
    assert (found == rows[[row_of[vertex] for vertex in np.concatenate(homes)]]).all()


def swap(transport):
    """The route by which two ranks exchange their second row."""
    other = 1 - transport.rank
    counts = tuple(int(rank == other) for rank in range(2))
    return Route(2, 2, torch.tensor([1]), counts, counts, num_kept=1)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_rows_of_any_shape_and_precision(ranks, dtype):
    def exchange(transports):
        transport = transports[1]
        for shape in ((2,), (2, 3), (2, 4, 3), (2, 0)):
            rows = torch.full(shape, transport.rank, dtype=dtype, requires_grad=True)
            moved = Shuffle(swap(transport), transport)(rows)
            assert moved.shape == shape
            assert moved.dtype == dtype
            assert (moved[0] == transport.rank).all()
            assert (moved[1] == 1 - transport.rank).all()
            (moved * (1 + transport.rank)).sum().backward()
            assert (rows.grad[0] == 1 + transport.rank).all()
            assert (rows.grad[1] == 2 - transport.rank).all()
        return True

    assert ranks(2, exchange) == [True, True]


def test_features_get_no_gradient_that_nobody_asked_for(ranks):
    def exchange(transports):
        transport = transports[1]
        layer = nn.Linear(3, 1)
        rows = Shuffle(swap(transport), transport)(torch.ones(2, 3))
        assert not rows.requires_grad
        layer(rows).sum().backward()  # no exchange: no rank would answer
        return True

    assert ranks(2, exchange) == [True, True]


def test_rows_of_another_layer_are_refused(ranks):
    def exchange(transports):
        with pytest.raises(ValueError, match="3 rows to exchange where the layer below has 2 destinations"):
            Shuffle(swap(transports[1]), transports[1])(torch.ones(3, 1))
        return True

    assert ranks(2, exchange) == [True, True]


def test_a_sum_is_the_same_everywhere_to_the_last_bit(ranks):
    def add(transports):
        values = torch.tensor([0.1, 1e-9, 3.3]) * (transports[1].rank + 1) ** 3
        values.requires_grad_()
        total = SumOverRanks(transports[1])(values)
        (total * (transports[1].rank + 1)).sum().backward()
        return total.detach(), values.grad

    results = ranks(4, add)
    assert all(torch.equal(total, results[0][0]) for total, _ in results)
    torch.testing.assert_close(results[0][0], torch.tensor([0.1, 1e-9, 3.3]) * 100)
    assert all((gradient == 10).all() for _, gradient in results)  # 1 + 2 + 3 + 4


def test_what_is_begun_ends_with_the_rows_of_an_exchange(ranks):
    def begin(transports):
        transport = transports[1]
        rows = torch.tensor([[0.0, 1.0], [2.0, 3.0]]) + 10 * transport.rank
        shuffle = Shuffle(swap(transport), transport)
        arriving = shuffle.begin(rows)
        assert torch.equal(arriving(), shuffle(rows))

        got = shuffle.fetch(rows)()
        returning = shuffle.give_back(got * 2)
        held = torch.ones(2, 2)
        returning(held)
        return got.tolist(), held.tolist()

    # Each has the other's second row, and gets its own back twice as large, added to what is there.
    assert ranks(2, begin) == [
        ([[12.0, 13.0]], [[1.0, 1.0], [5.0, 7.0]]),
        ([[2.0, 3.0]], [[1.0, 1.0], [25.0, 27.0]]),
    ]

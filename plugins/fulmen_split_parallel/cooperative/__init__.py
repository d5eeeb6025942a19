"""The cooperative step: the ranks of a group sample, load and compute one mini-batch together.

transport.py      Transport: how rows reach other ranks, and what there is where there are none
collective.py     the same by torch.distributed: gloo, or nccl on GPUs
outbox.py         what one rank shows to the others of its host, in shared memory
shared_memory.py  the same through their outboxes
several_hosts.py  shared memory within a host, a collective between hosts
opening.py        which of these a group of ranks uses
peers.py          whether another process of this host lives, and how long it is waited for
fences.py         waiting for a number in shared memory to grow
route.py          Route: which rows go where, and where those that come belong
shuffle.py        Shuffle: rows along a route, and their gradients back
reduction.py      sums over ranks, and their gradients
by_owner.py       the order of a layer's sources at a rank
plan.py           which rank samples, loads and sends what for one mini-batch
own_part.py       a rank's part of a mini-batch, as networks take it
agreement.py      compares what all ranks must have alike
hot_rows.py       the rows that an owner keeps at hand
builder.py        from the seeds of a mini-batch to a rank's part of it
whole_graph.py    the whole graph instead of a mini-batch, layer by layer
lookahead.py      the next mini-batch, planned while this one is computed
links.py          notices when another host is gone
"""

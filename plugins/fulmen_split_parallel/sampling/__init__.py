"""Mini-batches of a graph: what is drawn depends on (seed, epoch, step, layer, vertex) alone.

randomness.py      the hash that all draws come from
block.py           one layer of a mini-batch
sampler.py         what every sampler does
in_edges.py        what the two have in common
neighbour.py       so many in-edges of each vertex, without replacement
labor.py           the same in expectation, over fewer sources
samplers.py        both, by name
mini_batch.py      all layers of a mini-batch
seeds.py           which vertices each mini-batch starts from

What makes it fast:

prefetching.py     asking for memory before it is needed
edge_passes.py     the compiled passes that both samplers share
relabelling.py     from vertices to rows of a block
threads.py         one pass, several threads
feature_rows.py    the rows of a mini-batch, gathered
buffers.py         memory that is used again
allocator.py       memory that is not given back
"""

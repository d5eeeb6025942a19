"""Split-parallel training of graph neural networks, after GSplit (arXiv 2303.13775), and a sampler.

Each mini-batch is split over the ranks by a partition of the vertices: every vertex is sampled, loaded and
computed once, at its owner, and hidden rows cross ranks by one all-to-all a layer.

Algorithms, which know neither Lightning nor fulmen, each folder above those that it imports:

cooperative/   one mini-batch sampled, loaded and computed by several ranks
planning/      what data and split parallelism would cost, without training
networks/      networks that are written once for one process, `ddp` and `split_parallel`
partition/     which rank owns which vertex
sampling/      mini-batches of a graph, the same for any number of ranks and threads
graph/         a graph, its folder on disk, and generators

Adapters: graph_data.py (`graph`), strategy.py (`split_parallel`), models.py (`sage`, `gat`), analyzer.py
(`redundancy`), commands.py; plugin.py names them.
"""

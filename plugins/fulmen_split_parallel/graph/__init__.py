"""A graph, its folder on disk, and generators.

errors.py       what a graph is refused with
graph.py        topology, features, labels and splits
validation.py   whether all that fits together
topology.py     from lists of edges to in-edges by vertex
folder.py       a graph as `.npy` files, memory-mapped

sources.py      what makes a graph where there is no folder:
degree_corrected.py, recursive_matrix.py    generators: with communities, and without
debian.py       the one that is shipped: packages and what they depend on
ogb.py, pyg.py  what the Open Graph Benchmark unpacks; what PyG holds
splits.py       which vertices to train, validate and test on
"""

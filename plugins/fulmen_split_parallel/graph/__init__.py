"""A graph, its folder on disk, and generators.

errors.py       what a graph is refused with
graph.py        topology, features, labels and splits
folder.py       the same as `.npy` files, memory-mapped
"""

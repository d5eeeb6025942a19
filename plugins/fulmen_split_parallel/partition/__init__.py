"""Which rank owns which vertex.

presampling.py     counts what sampling does to each vertex and edge
weighted_graph.py  the undirected graph of the drawn edges, weighted by the counts
clustering.py      makes vertices that belong together one
restreaming.py     partitions it by passing over it again and again
metis.py           partitions it by METIS
hashing.py         partitions without looking
make.py            any of these, or a user's own map
partition.py       the map and for what it was made; as a file, and back
cache.py           made once for each graph and recipe
shares.py          what falls to each rank of a mini-batch, exactly
quality.py         cut and balance of a partition
errors.py          PartitionError
"""

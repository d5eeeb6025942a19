"""Where independent tasks run: the engines, and the map that keeps each finished piece on disk.

inline.py          one after the other, in this process
processes.py       in persistent processes of this machine
worker_process.py  a worker as its run sees it
worker.py          what a worker does
ray_engine.py      on the hosts of a Ray cluster
ray_host.py        one of these hosts, from inside
ray_cluster.py     begun on the loopback, or found
frames.py          messages on the channel between the two
wire.py            what crosses: plain data as JSON
running.py         one task, the same wherever it runs
kept_map.py        AnalysisContext.map on an engine
"""

"""What a network costs: counted where it can be, timed where it must be.

counted.py      parameters, FLOPs, peak memory
deployed.py     a network as one would ship it
interleaved.py  the ratio of two times on a machine that is never quite quiet
quiet.py        nobody trains while somebody measures
measuring.py    a cost by its name in YAML
"""

"""One candidate from an overlay to its values; this runs in a worker, named by import strings.

template.py    the config that candidates are laid over, and what is built of it
candidates.py  evaluate: build, train, measure; retrain: the same in full, and test
values.py      the value of an objective: a metric, a cost, an analyzer's scalar
hushing.py     what Lightning says of every Trainer
stopping.py    callbacks that end what is hopeless and let others measure in quiet
preloaded.py   what the fork server of the workers imports
"""

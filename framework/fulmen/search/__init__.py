"""The search: what is asked for, when it ends, which candidates are the best, what comes back.

rungs.py         who goes on after some epochs
session.py       one search from its folder to its report
loop.py          SearchLoop: ask, evaluate, commit, tell
budget.py        when it ends
fidelity.py      what candidates are trained with, and the best at the end
objectives.py    what is optimised, as costs
pareto.py        the front and its hypervolume
progress.py      how far it is, for people
cards.py         what there is to say of a network of the front
finals.py        the final trainings: which, and what they gave
checkpoints.py   which candidates' checkpoints are kept
results.py       the front as a table, configs, a report
estimate.py      what a search would cost
interruption.py  Ctrl-C and SIGTERM at a moment that loses nothing
"""

"""The search: what is asked for, when it ends, which candidates are the best.

loop.py        SearchLoop: ask, evaluate, commit, tell
budget.py      when it ends
objectives.py  what is optimised, as costs
pareto.py      the front and its hypervolume
"""

"""Does splitting pay? Counted exactly for any number of ranks on one machine, without training.

steps.py           what each rank would do for a mini-batch, in data parallel and split
network_shape.py   arithmetic and bytes of a network's layers
rates.py           how fast a machine does each kind of work
probing.py         measures these rates here
link.py            measures what it costs to send rows to another process
time_model.py      seconds of a step from counts and rates
table.py           the rows of the planner's table
recommendation.py  what to do
errors.py          PlanError
"""

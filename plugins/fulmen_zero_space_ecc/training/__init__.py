"""Training that makes room for the check bits, and the analyzer that says whether there is any.

fake_quantized.py    layers that compute in 8 bits while their parameters keep their names
hinge.py             weights pulled into the box
admm.py              the paper's other way, for comparison
velocity.py          momentum that pushes outward, removed
quantized_model.py   all of it over one model, with a state that can be saved

Adapters: wot.py (callback `wot`) on qat.py, with starting.py and guards.py; weight_distribution.py (the
analyzer) with charts.py and data_free_report.py.
"""

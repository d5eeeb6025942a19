"""Generators of series whose graph is known. Each is seeded and knows neither Lightning nor fulmen.

izhikevich.py, graded.py, lorenz96.py, linear_var.py, henon.py, nonlinear_var.py, nulls.py, drivers.py
                    the equations, on arrays
wiring.py, connectome.py   random graphs, and the wiring of the worm C. elegans
observation.py      what an instrument makes of a signal
streams.py          one random stream for each thing that is drawn
recorded.py, recorded_networks.py   all of it as recordings, with the truth beside them
"""

"""The data modules: each gives ``recordings()`` to an analyzer, and windows of them to a Trainer.

series_data.py      what all share: reading once, refusing at the door, windows
simulated_data.py   what the simulated ones share: noise and gaps on top
time_series_data.py, grasshopper_data.py   recordings from files
the others          a system each, of fulmen_attention_granger.systems
"""

"""What faults in memory do to a model, under each protection.

faults.py, memory_image.py, number_formats.py   what goes wrong in memory
schemes/                                        ways to protect it, each encoding, decoding and counting bytes
resident.py, replay.py, trial.py                one trial, quickly
activation_faults.py, vulnerability.py          other trials: of activations; of one bit of one layer
running.py, intervals.py, scrub_period.py       many of them, and what they say

Adapters: memory_faults.py (the analyzer) with fault_options.py, fault_tables.py, fault_charts.py and
labelled_batches.py.
"""

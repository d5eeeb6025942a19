"""A model whose numbers lie under a code: in memory, in checkpoints and in files of their own.

form.py                   a model's numbers as they lie in memory, all under a code
policies.py               what becomes of a block with two wrong bits
header.py, state.py       the form as a state dict
sidecar.py                the form as a file that repairs itself
decoding.py, model.py     a model that computes from it

Adapters: callback.py (callback `zero_space_ecc`), file.py, commands.py.
"""

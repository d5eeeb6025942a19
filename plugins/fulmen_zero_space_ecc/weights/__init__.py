"""Weights in 8 bits: where they lie, which are held in [-64, 63], and on what scale.

placement.py      which weights are held: shared by training, analysis and encoding
quantization.py   8-bit symmetric fake quantisation, activation ranges
throttle.py       the box, and weights clamped into it
scales.py         one scale a layer or one a channel
data_free.py      the best scales inside the box, searched without training
pairing.py        which batch normalisation follows which convolution, and nothing else does
folding.py        one of them folded into the other
distribution.py   counts of large weights by layer and place
saved_state.py    what `wot` leaves in a checkpoint
"""

"""In-place SEC-DED protection of int8 weights, and the training that makes room for it."""

"""What a network sees of a mini-batch, and networks that are written once for any number of ranks."""

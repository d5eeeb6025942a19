"""Image classification: networks, a model and data that other plugins' configs compose by name."""

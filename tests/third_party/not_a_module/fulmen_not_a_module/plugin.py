"""Its entry point names an object of this module, not the module."""

plugin = object()

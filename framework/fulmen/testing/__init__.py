"""The conformance kit: what the author of a plugin runs, in one line of pytest per component."""

"""Fixtures for the tests of plugins; loaded by pytest wherever fulmen is installed."""

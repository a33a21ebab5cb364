"""Processors of the loop: pure, each in a file or folder of its own, its settings struct beside it."""

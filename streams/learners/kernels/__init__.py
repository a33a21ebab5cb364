"""Loops over small arrays, compiled: the one place that knows numba."""

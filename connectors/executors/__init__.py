"""Executors: they take actions off a loop, do them, and report what became of each."""

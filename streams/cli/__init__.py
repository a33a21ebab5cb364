"""`flyball`: thin commands that parse, call and print."""

from streams.cli.main import main

__all__ = ["main"]

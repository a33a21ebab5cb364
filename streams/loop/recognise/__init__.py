"""Recognise: from the onset of an episode to the pattern that it repeats."""

from streams.loop.recognise.processor import Recognise
from streams.loop.recognise.settings import RecogniseSettings

__all__ = ["Recognise", "RecogniseSettings"]

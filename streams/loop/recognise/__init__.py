"""Recognise: from the onset of an episode to the pattern that it repeats."""

from typing import TYPE_CHECKING

from streams.loop.on_demand import on_demand
from streams.loop.recognise.graph_settings import GraphSettings
from streams.loop.recognise.settings import RecogniseSettings

if TYPE_CHECKING:
    from streams.loop.recognise.processor import Recognise

__all__ = ["GraphSettings", "Recognise", "RecogniseSettings"]

__getattr__ = on_demand(__name__, Recognise="processor")

"""Detect: from telemetry to episodes, measurements and censuses."""

from typing import TYPE_CHECKING

from streams.loop.detect.settings import DetectSettings
from streams.loop.on_demand import on_demand

if TYPE_CHECKING:
    from streams.loop.detect.processor import Detect

__all__ = ["Detect", "DetectSettings"]

__getattr__ = on_demand(__name__, Detect="processor")

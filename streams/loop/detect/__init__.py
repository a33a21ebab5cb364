"""Detect: from telemetry to episodes, measurements and censuses."""

from streams.loop.detect.processor import Detect
from streams.loop.detect.settings import DetectSettings

__all__ = ["Detect", "DetectSettings"]

"""`loop.toml` to one frozen struct, all its errors at once."""

from streams.settings.read import EXAMPLE, load, parse, world_settings
from streams.settings.sections import KafkaSettings, LoopSettings, Settings

__all__ = ["EXAMPLE", "KafkaSettings", "LoopSettings", "Settings", "load", "parse", "world_settings"]

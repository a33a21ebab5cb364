"""`loop.toml` to one frozen struct, all its errors at once."""

from streams.settings.profiles import NAMES, PROFILES, PURPOSES, Profile
from streams.settings.read import EXAMPLE, load, load_written_presets, parse, world_settings
from streams.settings.sections import KafkaSettings, LoopSettings, Settings

__all__ = [
    "EXAMPLE",
    "NAMES",
    "PROFILES",
    "PURPOSES",
    "KafkaSettings",
    "LoopSettings",
    "Profile",
    "Settings",
    "load",
    "load_written_presets",
    "parse",
    "world_settings",
]

"""The gate: rate-limited autonomy. The only place where a proposal becomes an action."""

from streams.loop.gate.settings import LEVELS, GateSettings, Level, LevelSettings

__all__ = ["LEVELS", "GateSettings", "Level", "LevelSettings"]

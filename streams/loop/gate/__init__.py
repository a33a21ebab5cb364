"""The gate: rate-limited autonomy. The only place where a proposal becomes an action."""

from streams.loop.gate.processor import Gate
from streams.loop.gate.settings import LEVELS, GateSettings, Level, LevelSettings
from streams.loop.gate.table import LEVEL_VERDICTS, RULES, Rule

__all__ = [
    "LEVELS",
    "LEVEL_VERDICTS",
    "RULES",
    "Gate",
    "GateSettings",
    "Level",
    "LevelSettings",
    "Rule",
]

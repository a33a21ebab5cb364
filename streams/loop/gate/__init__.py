"""The gate: rate-limited autonomy. The only place where a proposal becomes an action."""

from typing import TYPE_CHECKING

from streams.loop.gate.settings import GATE_LIMITS, LEVELS, GateSettings, Level, LevelSettings
from streams.loop.on_demand import on_demand

if TYPE_CHECKING:
    from streams.loop.gate.processor import Gate
    from streams.loop.gate.table import LEVEL_VERDICTS, RULES, Rule

__all__ = ["GATE_LIMITS", "LEVELS", "LEVEL_VERDICTS", "RULES", "Gate", "GateSettings", "Level", "LevelSettings", "Rule"]

__getattr__ = on_demand(__name__, Gate="processor", LEVEL_VERDICTS="table", RULES="table", Rule="table")

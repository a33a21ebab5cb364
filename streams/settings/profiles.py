"""What `profile` presets: a profile is nothing but other defaults, and every key of the file wins over it."""

from typing import Any

PROFILES: dict[str, dict[str, dict[str, Any]]] = {
    "speed": {},
    "risk": {
        "gate": {
            "concurrency": 1,
            "abnormal_share": 0.3,
            "failed_share": 0.25,
            "loop_limit": "30/hour",
            "explore_limit": "10/day",
            "blast_share": 0.2,
            "ramp": "10m",
        },
        "levels": {"default": "approve", "irreversible": "suggest"},
    },
    "cost": {
        "gate": {
            "loop_limit": "30/hour and 100/day",
            "pattern_limit": "15/hour",
            "entity_attempts": "6/day",
            "explore_limit": "20/day",
            "cost_a_day": 10.0,
        },
    },
}
"""Profile to section to key, as the file would spell them; `speed` is what the structs say."""


def with_profile(tables: dict[str, Any]) -> dict[str, Any]:
    """Return the tables with the profile's presets where the file says nothing."""
    loop = tables.get("loop")
    name = loop.get("profile", "speed") if isinstance(loop, dict) else "speed"
    merged = dict(tables)
    for section, keys in PROFILES.get(name if isinstance(name, str) else "", {}).items():
        stated = tables.get(section, {})
        if isinstance(stated, dict):
            merged[section] = keys | stated
    return merged

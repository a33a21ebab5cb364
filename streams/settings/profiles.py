"""What `profile` presets: a profile is nothing but other defaults, and every key of the file wins over it.

Code, documents, the commented `loop.toml` and tests read this one table.
"""

from typing import Any, Literal, get_args

Profile = Literal["risk", "speed", "cost"]
NAMES: tuple[Profile, ...] = get_args(Profile)
PURPOSES: dict[Profile, str] = {
    "risk": "acts less and asks more: people decide, and little is tried",
    "speed": "acts as soon as the levels allow: the defaults",
    "cost": "acts within tight budgets: fewer actions, and a bound on what they cost a day",
}
PROFILES: dict[Profile, dict[str, dict[str, Any]]] = {
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
        "policy": {"floor": 0.02},
    },
    "cost": {
        "gate": {
            "loop_limit": "30/hour and 100/day",
            "pattern_limit": "15/hour",
            "explore_limit": "20/day",
            "cost_a_day": 10.0,
        },
        "policy": {"attempts": 1},
    },
}
"""Profile to section to key, as the file would spell them; `speed` is what the structs say."""


def with_profile(tables: dict[str, Any], name: Profile | None = None) -> dict[str, Any]:
    """Return the tables with the presets of their profile, or of another one, where the file says nothing."""
    loop = tables.get("loop")
    merged = dict(tables)
    if name is not None and isinstance(loop, dict):
        merged["loop"] = loop | {"profile": name}
    stated_name = loop.get("profile", "speed") if isinstance(loop, dict) else "speed"
    chosen = name or (stated_name if isinstance(stated_name, str) else "")
    for section, keys in PROFILES.get(chosen, {}).items():  # type: ignore[call-overload]  # a wrong name has no presets
        stated = tables.get(section, {})
        if isinstance(stated, dict):
            merged[section] = keys | stated
    return merged


def preset_keys() -> tuple[str, ...]:
    """Return every key that some profile presets, as `section.key`, in the table's order."""
    keys = [f"{section}.{key}" for presets in PROFILES.values() for section, of in presets.items() for key in of]
    return tuple(dict.fromkeys(keys))


def written_presets(tables: dict[str, Any]) -> tuple[str, ...]:
    """Return the keys of a file that no profile changes, because the file says them itself."""
    return tuple(key for key in preset_keys() if _says(tables, *key.split(".")))


def _says(tables: dict[str, Any], section: str, key: str) -> bool:
    table = tables.get(section)
    return isinstance(table, dict) and key in table

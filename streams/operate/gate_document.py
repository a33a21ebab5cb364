"""The gate's checks and the profiles as a document: `python -m streams.operate.gate_document FILE` writes it anew."""

import sys
from pathlib import Path

from streams.loop.durations import format_duration
from streams.loop.gate import RULES
from streams.settings import EXAMPLE, NAMES, PROFILES, PURPOSES, Profile, Settings, parse
from streams.settings.profiles import preset_keys

_HEAD = """# What the gate checks

Generated from the gate's own table (`streams/loop/gate/table.py`) by `make documents`. Every proposal is put to all of
these questions, in this order, and its verdict lists every answer with the numbers it rested on. The first no decides:
`deny` (with the time from which it may be asked again, where that is known), `escalate` (a person is asked) or `shadow`
(what would be done is only said). Only a proposal that passes all of them becomes an action, and only then anything is
spent: a refusal costs nothing, and of all limits a question to a person spends `gate.escalation_limit` alone. What the
loop chose to ask a person about (`policy.ask_cost`) is at most escalated, at whatever level.

| | check | question | no means | what a person can do |
|---|---|---|---|---|
"""

_PROFILES = """
## Profiles

`profile` under `[loop]` chooses other defaults, nothing more: a key that the file writes out is the same under each.
`flyball profiles` puts a recorded run to the gate under each and shows what switching would have changed; `[policy]` is
not replayed, since no log can tell what would have been proposed otherwise.

"""


def gate_document() -> str:
    """Return the table of checks, and the one of profiles, as Markdown."""
    rows = [
        f"| {number} | `{rule.name}` | {rule.asks} | {rule.failed} | {rule.remedy} |"
        for number, rule in enumerate(RULES, start=1)
    ]
    return _HEAD + "\n".join(rows) + "\n" + _profiles()


def _profiles() -> str:
    purposes = [f"* `{name}` {PURPOSES[name]}." for name in NAMES]
    defaults = parse(EXAMPLE, name="loop.toml")
    rows = [["key", *(f"`{name}`" for name in NAMES)], ["---"] * (1 + len(NAMES))]
    rows += [[f"`{key}`", *(_preset(defaults, name, key) for name in NAMES)] for key in preset_keys()]
    table = [f"| {' | '.join(row)} |" for row in rows]
    return _PROFILES + "\n".join([*purposes, "", *table]) + "\n"


def _preset(defaults: Settings, name: Profile, path: str) -> str:
    """Return what a key is under a profile; times are spelled as in the file."""
    section, key = path.split(".")
    default = getattr(defaults, section)
    stated = getattr(default, key) if hasattr(default, key) else format_duration(getattr(default, f"{key}_us"))
    value = PROFILES[name].get(section, {}).get(key, stated)
    return f"{value}" if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(gate_document(), encoding="utf-8")

"""The gate's checks as a document: `python -m streams.operate.gate_document FILE` writes it anew."""

import sys
from pathlib import Path

from streams.loop.gate import RULES

_HEAD = """# What the gate checks

Generated from the gate's own table (`streams/loop/gate/table.py`) by `make documents`. Every proposal is put to all of
these questions, in this order, and its verdict lists every answer with the numbers it rested on. The first no decides:
`deny` (with the time from which it may be asked again, where that is known), `escalate` (a person is asked) or `shadow`
(what would be done is only said). Only a proposal that passes all of them becomes an action, and only then anything is
spent: a refusal costs nothing, and of all limits a question to a person spends `gate.escalation_limit` alone.

| | check | question | no means | what a person can do |
|---|---|---|---|---|
"""


def gate_document() -> str:
    """Return the table of checks as Markdown."""
    rows = [
        f"| {number} | `{rule.name}` | {rule.asks} | {rule.failed} | {rule.remedy} |"
        for number, rule in enumerate(RULES, start=1)
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(gate_document(), encoding="utf-8")

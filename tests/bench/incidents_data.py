"""Incidents as a desk gets to know them: what the first row says, when each is resolved and closed, and how it ended.

`resolved_at`, `resolved_by`, `closed_code` and `closed_at` are filled back into first rows, and `caused_by` may be: it
never changes either. So of a first row only `FIELDS` and its own times are read: they change within incidents, or are
those of the opening.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import log2
from pathlib import Path
from typing import Any

import polars as pl

FIELDS = (
    "ident_state", "caller_id", "opened_by", "sys_created_by", "sys_updated_by", "contact_type", "location", "category",
    "subcategory", "u_symptom", "cmdb_ci", "impact", "urgency", "priority", "assignment_group", "assigned_to",
    "knowledge",
)  # fmt: skip
PAIRS = (
    ("subcategory", "assignment_group"), ("category", "u_symptom"), ("assignment_group", "ident_state"),
    ("sys_updated_by", "ident_state"), ("opened_by", "assignment_group"),
)  # fmt: skip
"""What is taken together, too."""
RESOLVED = ("Resolved", "Closed")
_STEP = timedelta(minutes=10)
_LARGEST_STEPS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """`known` is when the first row was written, `resolved` when the first row that says so; `kept` is whether the SLA
    was, which nobody knows before `closed`. `x` are the categories of the first row.
    """

    number: int
    opened: datetime
    known: datetime
    resolved: datetime
    closed: datetime
    kept: bool
    x: Mapping[str, Any]

    @property
    def is_resolved_first(self) -> bool:
        """Whether the first row says that it is resolved."""
        return self.x["ident_state"] in RESOLVED

    @property
    def week(self) -> tuple[int, int]:
        """The ISO year and week in which it was opened."""
        return self.opened.isocalendar()[:2]


def load_incidents(data: Path) -> list[Incident]:
    """Return the incidents of every parquet of a folder, in the order in which their first rows were written."""
    paths = sorted(data.glob("*.parquet"))
    if not paths:
        raise FileNotFoundError(f"{data} must hold a parquet of incident rows, got none")
    return incidents_of(pl.concat([pl.read_parquet(path) for path in paths]))


def incidents_of(rows: pl.DataFrame) -> list[Incident]:
    """Return the incidents of a table of updates, in whatever order; those of one minute are in that of the table."""
    rows = rows.sort("number", "sys_updated_at", maintain_order=True)
    number = pl.col("number")
    resolved = rows.filter(pl.col("ident_state").is_in(RESOLVED)).group_by("number").agg(pl.col("sys_updated_at").min())
    last = rows.group_by("number", maintain_order=True).last().select(number, kept="made_sla", closed="closed_at")
    table = (
        rows.group_by("number", maintain_order=True)
        .first()
        .select(number, "opened_at", "sys_updated_at", *FIELDS)
        .join(resolved.select(number, resolved="sys_updated_at"), on="number")
        .join(last, on="number")
    )
    found = [_incident(row) for row in table.iter_rows(named=True)]
    return sorted(found, key=lambda one: (one.known, one.number))


def _incident(row: Mapping[str, Any]) -> Incident:
    opened, known = row["opened_at"], row["sys_updated_at"]
    return Incident(
        number=row["number"],
        opened=opened,
        known=known,
        resolved=max(row["resolved"], known),
        closed=max(row["closed"], known),
        kept=row["kept"],
        x={field: row[field] for field in FIELDS}
        | {f"{one} and {other}": f"{row[one]}, {row[other]}" for one, other in PAIRS}
        | {"hour": known.hour, "weekday": known.weekday(), "wait": int(log2(1.0 + _steps(known - opened)))},
    )


def _steps(wait: timedelta) -> float:
    return min(max(wait / _STEP, 0.0), _LARGEST_STEPS)

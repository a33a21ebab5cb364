"""What every benchmark prints and writes: a table for people, tidy rows for programs."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of one system in one case."""

    benchmark: str
    case: str
    system: str
    metric: str
    value: float
    unit: str


def median_rows(rows: Sequence[Row]) -> list[Row]:
    """Join repeated measurements (interleaved runs) into their median, in order of first appearance."""
    values: dict[tuple[str, str, str, str, str], list[float]] = {}
    for row in rows:
        values.setdefault((row.benchmark, row.case, row.system, row.metric, row.unit), []).append(row.value)
    return [
        Row(benchmark=b, case=c, system=s, metric=m, value=statistics.median(found), unit=u)
        for (b, c, s, m, u), found in values.items()
    ]


def print_table(rows: Iterable[Row]) -> None:
    """Print one line per row."""
    for row in rows:
        print(f"{row.case:<14} {row.system:<14} {row.metric:<24} {row.value:>16,.3f} {row.unit}")


def write_rows(path: Path | None, rows: Sequence[Row]) -> None:
    """Write rows as JSON, if a path was given."""
    if path is not None:
        path.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")

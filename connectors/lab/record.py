"""The injector's log: what really happened, for scoring only. JSON lines, one per fault begun and one per ended."""

from pathlib import Path
from typing import IO

import msgspec


class FaultRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One fault of one service. `ended_by`: the action that ended it, or `itself`; without `end_us` it goes on."""

    fault: str
    kind: str
    service: str
    best: str
    start_us: int
    end_us: int | None = None
    ended_by: str | None = None


class FaultLog:
    """Appends records to a file, each flushed, so that a killed world leaves what it knew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("wb")

    def write(self, record: FaultRecord) -> None:
        """Append one record."""
        self._file.write(msgspec.json.encode(record) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_log(path: Path) -> list[FaultRecord]:
    """Return the faults of a log in the order in which they began, each as last written."""
    faults: dict[str, FaultRecord] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):  # a killed world may have left half a line
            record = msgspec.json.decode(line, type=FaultRecord)
            faults[record.fault] = record
    return list(faults.values())

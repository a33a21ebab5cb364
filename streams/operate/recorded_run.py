"""A run in a folder: what a gate read and said, to be replayed where there is no Kafka.

One file per topic, a line of JSON per record, in offset order; `run.json` says whose run it is. With the pinned root
key beside it (`root.pub`) orders and answers of people count only as they are signed, as on Kafka.
"""

import shutil
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from schemas.errors import SettingsError
from schemas.events import Event
from schemas.keyfiles import ROOT_PUBLIC
from schemas.raw import RawBatch
from schemas.signing import Audience
from schemas.topics import GROUP_SOURCES, SHARED_SOURCES
from streams.operate.topic_reader import StoredRecord

ABOUT = "run.json"
TOPICS_KEPT = (*SHARED_SOURCES, *GROUP_SOURCES["gate"], "journal-gate", "verdicts")


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Whose run it is; no cluster: a simulated one, in which nothing is signed."""

    loop: str
    cluster: str = ""

    @property
    def audience(self) -> Audience | None:
        """For whom the run's signatures were made."""
        return Audience(cluster=self.cluster, loop=self.loop) if self.cluster else None


class Records(Protocol):
    """Where a run is copied from."""

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord | None]:
        """Yield the records of some topics, up to the present end."""
        ...


def refuse_if_there(folder: Path) -> None:
    """Raise `SettingsError` where a run cannot be kept, since something is there."""
    if folder.exists():
        raise SettingsError([f"{folder} is there already; a run is kept in a folder of its own"])


def save_run(run: Records, folder: Path, about: About, *, keys: Path | None = None) -> int:
    """Copy a run into a folder that is not there yet; return how many records that were. `keys` hold the root key.

    Raises `SettingsError` where something is there already.
    """
    refuse_if_there(folder)
    folder.mkdir(parents=True)
    count = 0
    for topic in TOPICS_KEPT:
        with (folder / f"{topic}.ndjson").open("wb") as file:
            for record in run.records([topic]):
                if record is not None:
                    file.write(msgspec.json.encode(record) + b"\n")
                    count += 1
    if keys is not None:
        shutil.copyfile(keys / ROOT_PUBLIC, folder / ROOT_PUBLIC)
    (folder / ABOUT).write_bytes(msgspec.json.encode(about) + b"\n")
    return count


class RecordedRun:
    """Reads what `save_run` wrote. A topic is held in memory from the first time it is asked for by offset."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; raises `SettingsError` where it holds no run."""
        self._folder = folder
        self._held: dict[tuple[str, int], list[StoredRecord]] = {}
        try:
            self.about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
        except (OSError, ValueError) as error:
            raise SettingsError(
                [f"{folder / ABOUT}: expected a run that `flyball replay --save` kept: {error}"]
            ) from error

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield the records of some topics, in offset order; raises `SettingsError` where a line is none."""
        for topic in topics:
            path = self._folder / f"{topic}.ndjson"
            try:
                with path.open("rb") as file:
                    for number, line in enumerate(file, start=1):
                        yield _record(line, path, number)
            except OSError as error:
                raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics; each partition in offset order."""
        for record in self.records(topics):
            event = record.event()
            if event is not None:
                yield record, event

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the records of the offsets `start` (included) to `stop`."""
        if (topic, partition) not in self._held:
            self._held[topic, partition] = [one for one in self.records([topic]) if one.partition == partition]
        held = self._held[topic, partition]
        found = held[bisect_left(held, start, key=_offset) : bisect_left(held, stop, key=_offset)]
        return _batch_of(found) if found else None


def _batch_of(records: Sequence[StoredRecord]) -> RawBatch:
    """Return records of one partition, at least one, as a batch."""
    return RawBatch(
        topic=records[0].topic,
        partition=records[0].partition,
        offsets=[record.offset for record in records],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=[record.headers for record in records],
    )


def _record(line: bytes, path: Path, number: int) -> StoredRecord:
    try:
        return msgspec.json.decode(line, type=StoredRecord)
    except ValueError as error:
        raise SettingsError([f"{path}:{number}: expected a record, got {error}"]) from error


def _offset(record: StoredRecord) -> int:
    return record.offset

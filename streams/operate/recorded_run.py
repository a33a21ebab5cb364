"""A run in a folder: what a gate read and said, to be replayed where there is no Kafka.

One file per topic, a line of JSON per record, in offset order; `run.json` says whose run it is. With the pinned root
key beside it (`root.pub`) orders and answers of people count only as they are signed, as on Kafka.
"""

import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Protocol

import msgspec

from schemas.errors import SettingsError
from schemas.events import Event
from schemas.keyfiles import ROOT_PUBLIC
from schemas.raw import RawBatch
from schemas.signing import Audience
from schemas.topics import SHARED_SOURCES
from streams.operate.recorded_gate import SOURCES
from streams.operate.topic_reader import StoredRecord

ABOUT = "run.json"
TOPICS_KEPT = ("verdicts", "journal-gate", *SOURCES)
"""In the order in which a run that goes on is copied: of what was said every step, and of every step all inputs."""
ABOUT_BYTES, LINE_BYTES = 1 << 20, 8 << 20
"""The most that is read of `run.json`, and of one line: a record of Kafka is at most 2 MiB."""


class About(msgspec.Struct, frozen=True, kw_only=True):
    """Whose run it is; no cluster: a simulated one, in which nothing is signed.

    `first` is from which offset on each topic that the gate reads still had its records, where not from 0.
    """

    loop: str
    cluster: str = ""
    first: dict[str, int] = {}

    @property
    def audience(self) -> Audience | None:
        """For whom the run's signatures were made."""
        return Audience(cluster=self.cluster, loop=self.loop) if self.cluster else None


class Records(Protocol):
    """Where a run is copied from."""

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield the records of some topics, up to the present end."""
        ...

    def first_offset(self, topic: str, partition: int) -> int:
        """Return from which offset on the records of a partition are still there."""
        ...


def refuse_if_there(folder: Path) -> None:
    """Raise `SettingsError` where a run cannot be kept, since something is there."""
    if folder.exists():
        raise SettingsError([f"{folder} is there already; a run is kept in a folder of its own"])


def save_run(run: Records, folder: Path, about: About, *, keys: Path | None = None) -> int:
    """Copy a run into a folder that is not there yet; return how many records that were. `keys` hold the root key.

    All of it or nothing. Raises `SettingsError` where something is there already, or it cannot be written.
    """
    refuse_if_there(folder)
    try:
        folder.mkdir(parents=True)
        try:
            return _copy(run, folder, about, keys)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise SettingsError([f"{folder}: a run cannot be kept there ({error})"]) from error


def _copy(run: Records, folder: Path, about: About, keys: Path | None) -> int:
    if keys is not None:
        shutil.copyfile(keys / ROOT_PUBLIC, folder / ROOT_PUBLIC)
    first = {topic: offset for topic in SOURCES if (offset := run.first_offset(topic, 0)) > 0}
    copied = 0
    for topic in TOPICS_KEPT:
        with (folder / f"{topic}.ndjson").open("wb") as file:
            for record in run.records([topic]):
                file.write(msgspec.json.encode(record) + b"\n")
                copied += 1
    (folder / ABOUT).write_bytes(msgspec.json.encode(msgspec.structs.replace(about, first=first)) + b"\n")
    return copied


class RecordedRun:
    """Reads what `save_run` wrote, line by line. Every line is checked: a copy may have been damaged or edited."""

    def __init__(self, folder: Path) -> None:
        """Open a folder; raises `SettingsError` where it holds no run."""
        self._folder = folder
        self._cursors: dict[tuple[str, int], _Cursor] = {}
        try:
            with (folder / ABOUT).open("rb") as file:
                self.about = msgspec.json.decode(file.read(ABOUT_BYTES), type=About)
        except (OSError, ValueError, RecursionError) as error:
            raise SettingsError(
                [f"{folder / ABOUT}: expected a run that `flyball replay --save FOLDER` kept: {error}"]
            ) from error

    def records(self, topics: Sequence[str]) -> Iterator[StoredRecord]:
        """Yield the records of some topics, in offset order; raises `SettingsError` where a line is none."""
        for topic in topics:
            if topic not in TOPICS_KEPT:
                raise SettingsError([f"{self._folder}: expected a topic that is kept, got {topic!r}"])
            ends: dict[int, int] = {}
            path = self._folder / f"{topic}.ndjson"
            for number, line in _lines(path):
                record = _record(line, topic, ends, f"{path}:{number}")
                ends[record.partition] = record.offset + 1
                yield record

    def events(self, *topics: str) -> Iterator[tuple[StoredRecord, Event]]:
        """Yield every decodable event of some topics; each partition in offset order."""
        for record in self.records(topics):
            event = record.event()
            if event is not None:
                yield record, event

    def read_range(self, topic: str, partition: int, start: int, stop: int) -> RawBatch | None:
        """Return the records of the offsets `start` (included) to `stop`; ranges come in rising order."""
        place = topic, partition
        if place not in self._cursors:
            self._cursors[place] = _Cursor(one for one in self.records([topic]) if one.partition == partition)
        found = self._cursors[place].between(start, stop)
        return _batch_of(found) if found else None

    def first_offset(self, topic: str, partition: int) -> int:  # noqa: ARG002  # the gate reads one of each
        """Return from which offset on the records of a partition were still there when the run was kept."""
        return self.about.first.get(topic, 0)


class _Cursor:
    """Reads records forward, range by range; it holds one that belongs to a later range."""

    def __init__(self, records: Iterator[StoredRecord]) -> None:
        self._records = records
        self._held: StoredRecord | None = None

    def between(self, start: int, stop: int) -> list[StoredRecord]:
        """Return the records of the offsets `start` (included) to `stop`."""
        found: list[StoredRecord] = []
        while (record := self._held or next(self._records, None)) is not None:
            self._held = record if record.offset >= stop else None
            if self._held is not None:
                break
            if record.offset >= start:
                found.append(record)
        return found


def _batch_of(records: Sequence[StoredRecord]) -> RawBatch:
    """Return records of one partition, at least one, as a batch."""
    return RawBatch(
        topic=records[0].topic,
        partition=records[0].partition,
        offsets=[record.offset for record in records],
        keys=[record.key for record in records],
        values=[record.value for record in records],
        headers=[record.headers for record in records],
        written_us=[record.written_us for record in records] if records[0].topic in SHARED_SOURCES else (),
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file with their numbers; raises `SettingsError` for one that is too long."""
    try:
        with path.open("rb") as file:
            for number in count(1):
                line = file.readline(LINE_BYTES + 1)
                if not line:
                    return
                if len(line) > LINE_BYTES:
                    raise SettingsError([f"{path}:{number}: expected a record of at most {LINE_BYTES} bytes"])
                yield number, line
    except OSError as error:
        raise SettingsError([f"{path}: cannot be read ({error.strerror})"]) from error


def _record(line: bytes, topic: str, ends: dict[int, int], where: str) -> StoredRecord:
    """Read a line; raises `SettingsError` where it is no record of the topic, behind those before it."""
    try:
        record = msgspec.json.decode(line, type=StoredRecord)
    except (ValueError, RecursionError) as error:
        raise SettingsError([f"{where}: expected a record, got {error}"]) from error
    least = ends.get(record.partition, 0)
    if record.topic != topic or record.partition < 0 or record.offset < least:
        place = f"{record.topic}/{record.partition}/{record.offset}"
        raise SettingsError([f"{where}: expected a record of {topic} from offset {least} on, got {place}"])
    return record

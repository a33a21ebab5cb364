"""What an executor remembers on disk: when its memory began, and who claimed which action first (SQLite)."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import FencedError, SettingsError, StorageError
from ..events import Outcome

FORGET_AFTER_US = 40 * 86_400_000_000
"""Longer than `outcomes` and any action live."""
_OPEN = ("PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
"""One process at a time, for as long as it lives: a second one would take the first one's running actions for lost."""
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_TABLES = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS actions (
    id TEXT PRIMARY KEY, entity TEXT NOT NULL, claim TEXT NOT NULL, executor TEXT NOT NULL,
    state TEXT NOT NULL, at_us INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS starts (at_us INTEGER NOT NULL) STRICT;
"""


class DuplicateStore:
    """The first claim and the end of every action of one executor group, as `outcomes` tells them, in offset order.

    It survives a killed process by itself; what a power cut may take from it is read again from `outcomes`. It is of
    one cluster: on another it begins anew, since offsets and claims of the one say nothing about the other.
    Raises `FencedError` while another process has it, `StorageError` when the disk is full or broken: who cannot
    remember a claim must not start it.
    """

    def __init__(self, folder: Path, *, loop: str, group: str, cluster: str, now_us: int) -> None:
        self._path = folder / f"{loop}.{group}.sqlite"
        self._lock = threading.RLock()
        self._db = self._open()
        self._group = group
        self.born_us = int(self._fact("born_us", str(now_us)))
        """When this memory began: an action issued earlier may have been done without a trace here."""
        if self._fact("owner", f"{loop}/{group}") != f"{loop}/{group}":
            raise SettingsError([f"{self._path}: expected the memory of {loop}/{group}, found another's"])
        if self._fact("cluster", "") != cluster:
            with self.together():
                self.begin_anew(now_us)
                self._set_fact("cluster", cluster)
        self._run("DELETE FROM actions WHERE at_us < ?", now_us - FORGET_AFTER_US)
        self._run("DELETE FROM starts WHERE at_us < ?", now_us - FORGET_AFTER_US)

    @property
    def next_offset(self) -> int:
        """First offset of `outcomes` that was not folded yet."""
        return int(self._fact("next_offset", "0"))

    def begin_anew(self, now_us: int) -> None:
        """Forget what `outcomes` told and where it was read to; starts still count against the cap."""
        with self._lock:
            self._run("DELETE FROM actions")
            self._set_fact("next_offset", "0")
            self._set_fact("born_us", str(now_us))
            self.born_us = now_us

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the changes of the block durable as one."""
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                yield
                self._run("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself has ended it where the disk was full
                    self._run("ROLLBACK")
                raise

    def fold(self, offset: int, outcome: Outcome | None) -> None:
        """Take over the record at an offset of `outcomes` (None: not readable or not for this group)."""
        with self._lock:
            if outcome is not None and outcome.group == self._group:
                self._note(outcome)
            self._set_fact("next_offset", str(offset + 1))

    def winner(self, action: str) -> str | None:
        """Return the id of the first claim (or the end, where no claim came) of an action; None when there is none."""
        return next((str(claim) for (claim,) in self._run("SELECT claim FROM actions WHERE id = ?", action)), None)

    def owner(self, action: str) -> str | None:
        """Return the executor whose claim (or end, where no claim came) of an action was first; None without one."""
        return next((str(who) for (who,) in self._run("SELECT executor FROM actions WHERE id = ?", action)), None)

    def unfinished(self, executor: str) -> list[tuple[str, str]]:
        """Return (action, entity) of every claim of this executor that has no end."""
        query = "SELECT id, entity FROM actions WHERE executor = ? AND state = 'claimed' ORDER BY at_us, id"
        return [(str(action), str(entity)) for action, entity in self._run(query, executor)]

    def start(self, now_us: int) -> None:
        """Count one start."""
        self._run("INSERT INTO starts VALUES (?)", now_us)

    def starts_since(self, time_us: int) -> int:
        """Return how many starts were counted after a time."""
        return int(self._run("SELECT count(*) FROM starts WHERE at_us > ?", time_us)[0][0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _note(self, outcome: Outcome) -> None:
        row = (outcome.action, outcome.entity, outcome.id, outcome.executor, outcome.state, outcome.time_us)
        self._run("INSERT OR IGNORE INTO actions VALUES (?, ?, ?, ?, ?, ?)", *row)
        if outcome.state != "claimed":
            end = "UPDATE actions SET state = ? WHERE id = ? AND state = 'claimed' AND executor = ?"
            self._run(end, outcome.state, outcome.action, outcome.executor)

    def _set_fact(self, name: str, value: str) -> None:
        self._run("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def _fact(self, name: str, default: str) -> str:
        with self._lock:
            self._run("INSERT OR IGNORE INTO facts VALUES (?, ?)", name, default)
            return str(self._run("SELECT value FROM facts WHERE name = ?", name)[0][0])

    def _run(self, statement: str, *values: str | int) -> list[Any]:
        """Execute a statement and return its rows; everything that is asked or told goes through here."""
        with self._lock:
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.ProgrammingError:
                raise
            except sqlite3.Error as error:
                raise self._broken(error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._broken(error) from error
        try:
            for statement in _OPEN:
                db.execute(statement)
            db.executescript(_TABLES)
        except sqlite3.Error as error:
            db.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _TAKEN:
                raise FencedError(
                    f"{self._path}: expected a memory of one's own, another process has it: {error}"
                ) from error
            raise self._broken(error) from error
        return db

    def _broken(self, error: Exception) -> StorageError:
        return StorageError(
            f"{self._path}: what this executor has started cannot be remembered ({error}): make room on the disk or "
            "mend it, then start again; until then nothing is started"
        )

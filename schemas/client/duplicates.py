"""What an executor remembers on disk: when its memory began, and who claimed which action first (SQLite)."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import FencedError, SettingsError
from ..events import Outcome

FORGET_AFTER_US = 40 * 86_400_000_000
"""Longer than `outcomes` and any action live."""
_OPEN = ("PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL")
"""One process at a time, for as long as it lives: a second one would take the first one's running actions for lost."""
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

    It survives a killed process by itself; what a power cut may take from it is read again from `outcomes`. Raises
    `FencedError` while another process has it. It is of one cluster: on another it begins anew, since offsets and
    claims of the one say nothing about the other.
    """

    def __init__(self, folder: Path, *, loop: str, group: str, cluster: str, now_us: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{loop}.{group}.sqlite"
        self._lock = threading.RLock()
        self._db = sqlite3.connect(self._path, timeout=1.0, check_same_thread=False, isolation_level=None)
        try:
            for statement in _OPEN:
                self._db.execute(statement)
            self._db.executescript(_TABLES)
        except sqlite3.OperationalError as error:
            self._db.close()
            raise FencedError(
                f"{self._path}: expected a memory of one's own, another process has it: {error}"
            ) from error
        self._group = group
        self.born_us = int(self._fact("born_us", str(now_us)))
        """When this memory began: an action issued earlier may have been done without a trace here."""
        if self._fact("owner", f"{loop}/{group}") != f"{loop}/{group}":
            raise SettingsError([f"{self._path}: expected the memory of {loop}/{group}, found another's"])
        if self._fact("cluster", "") != cluster:
            with self.together():
                self.begin_anew(now_us)
                self._set_fact("cluster", cluster)
        self._db.execute("DELETE FROM actions WHERE at_us < ?", (now_us - FORGET_AFTER_US,))
        self._db.execute("DELETE FROM starts WHERE at_us < ?", (now_us - FORGET_AFTER_US,))

    @property
    def next_offset(self) -> int:
        """First offset of `outcomes` that was not folded yet."""
        return int(self._fact("next_offset", "0"))

    def begin_anew(self, now_us: int) -> None:
        """Forget what `outcomes` told and where it was read to; starts still count against the cap."""
        with self._lock:
            self._db.execute("DELETE FROM actions")
            self._set_fact("next_offset", "0")
            self._set_fact("born_us", str(now_us))
            self.born_us = now_us

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make the changes of the block durable as one."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def fold(self, offset: int, outcome: Outcome | None) -> None:
        """Take over the record at an offset of `outcomes` (None: not readable or not for this group)."""
        with self._lock:
            if outcome is not None and outcome.group == self._group:
                self._note(outcome)
            self._set_fact("next_offset", str(offset + 1))

    def winner(self, action: str) -> str | None:
        """Return the id of the first claim (or the end, where no claim came) of an action; None when there is none."""
        with self._lock:
            row = self._db.execute("SELECT claim FROM actions WHERE id = ?", (action,)).fetchone()
        return None if row is None else str(row[0])

    def owner(self, action: str) -> str | None:
        """Return the executor whose claim (or end, where no claim came) of an action was first; None without one."""
        with self._lock:
            row = self._db.execute("SELECT executor FROM actions WHERE id = ?", (action,)).fetchone()
        return None if row is None else str(row[0])

    def unfinished(self, executor: str) -> list[tuple[str, str]]:
        """Return (action, entity) of every claim of this executor that has no end."""
        query = "SELECT id, entity FROM actions WHERE executor = ? AND state = 'claimed' ORDER BY at_us, id"
        with self._lock:
            return [(str(action), str(entity)) for action, entity in self._db.execute(query, (executor,)).fetchall()]

    def start(self, now_us: int) -> None:
        """Count one start."""
        with self._lock:
            self._db.execute("INSERT INTO starts VALUES (?)", (now_us,))

    def starts_since(self, time_us: int) -> int:
        """Return how many starts were counted after a time."""
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM starts WHERE at_us > ?", (time_us,)).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _note(self, outcome: Outcome) -> None:
        row = (outcome.action, outcome.entity, outcome.id, outcome.executor, outcome.state, outcome.time_us)
        self._db.execute("INSERT OR IGNORE INTO actions VALUES (?, ?, ?, ?, ?, ?)", row)
        if outcome.state != "claimed":
            self._db.execute(
                "UPDATE actions SET state = ? WHERE id = ? AND state = 'claimed' AND executor = ?",
                (outcome.state, outcome.action, outcome.executor),
            )

    def _set_fact(self, name: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def _fact(self, name: str, default: str) -> str:
        with self._lock:
            self._db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, default))
            return str(self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])

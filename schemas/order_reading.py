"""What a record of `control` is worth: by the keyring in force where it lies, and by the clock when it was written.

An order stays one though its key was rotated or revoked since, or ran out: only another order ends it. What lies behind
the keyring that revoked a key counts for nothing if that key signed it, whatever time it claims. So every reader begins
with the keyring that `control` begins with, and follows those behind it; never with today's file.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from msgspec.structs import replace

from . import wire
from .errors import ContractError
from .events import Control
from .keyring import Keyring, Trust
from .raw import Headers
from .reading import read_event, verify_record
from .signing import Audience

HELD_LIMIT = 1_000
"""Records that wait for the first keyring. Where more lie before it, only those by a key that today's file lists wait;
where those alone are more, that file counts.
"""


class OrderRecord(Protocol):
    """A record of `control` as it was read."""

    @property
    def key(self) -> bytes | None: ...

    @property
    def value(self) -> bytes | None: ...

    @property
    def headers(self) -> Headers: ...


Read = TypeVar("Read", bound=OrderRecord)


class Beginning:
    """Finds the keyring that `control` begins with: look at one record after the other, from the first on.

    It is the first one that the pinned root key signed, whatever its version, and counts for what lies before it too:
    `flyball activate` writes it ahead of all that lets a loop run. Where there is none, today's file counts, and later
    keyrings only if they are newer than that. So it is where settings were activated, by a key that the file lists,
    before any keyring: else, who has a key that was revoked since could put the keyring of then before its orders.
    """

    def __init__(self, today: Trust, audience: Audience) -> None:
        self._today = today
        self._audience = audience
        self._trust: Trust | None = None

    @property
    def known(self) -> bool:
        """Whether no further record can change it."""
        return self._trust is not None

    def trust(self) -> Trust:
        """Return a trust of its own with the keyring that was found, or else today's."""
        found = self._trust or self._today
        return Trust(root=found.root, keyring=found.keyring)

    def look_at(self, record: OrderRecord) -> None:
        """Look at the next record; nothing that one of `control` may hold raises."""
        if self.known:
            return
        with suppress(ContractError):
            order = wire.decode(Control.TOPIC, record.value, record.headers)
            if isinstance(order, Control) and order.kind == "keyring":
                root = self._today.root
                self._trust = Trust(root=root, keyring=Keyring.parse(order.value, root))
            elif isinstance(order, Control) and order.kind == "settings" and self.is_listed(record):
                self._trust = self._today

    def is_listed(self, record: OrderRecord) -> bool:
        """Return whether a key signed this that the file lists, though it may be withdrawn by now."""
        ever = tuple(replace(key, revoked=False, not_after_us=None) for key in self._today.keyring.keys)
        keyring = Keyring(version=self._today.keyring.version, keys=ever)
        where = (Control.TOPIC, record.key, record.value, record.headers)
        try:
            verify_record(*where, keyring=keyring, audience=self._audience, now_us=0)
        except ContractError:
            return False
        return True


class OrderReading(Generic[Read]):
    """Reads `control` from its first record on and tells which records count.

    Every keyring is adopted into `trust` too, which holds the newest one, for all else that is signed.
    """

    def __init__(self, *, trust: Trust, audience: Audience) -> None:
        self.ignored = 0
        """Records that could not be trusted."""
        self._newest = trust
        self._audience = audience
        self._beginning = Beginning(trust, audience)
        self._here: Trust | None = None
        """The trust where reading stands; None while records wait."""
        self._waiting: list[tuple[Read, int]] = []
        self._is_crowded = False
        """Whether so many waited that no other waits than who has a key that the file lists."""

    def read(self, record: Read, *, written_us: int) -> Sequence[tuple[Read, Control]]:
        """Return the orders that count, up to this record, and were not returned yet.

        `written_us` is by the clock of whoever can be believed about it: keys that had run out by then do not count.
        """
        if self._here is not None:
            return self._counting([(record, written_us)], self._here)
        self._beginning.look_at(record)
        self._waiting.append((record, written_us))
        if self._beginning.known:
            return self._begin()
        if self._is_crowded:
            self._keep_listed(len(self._waiting) - 1)
        elif len(self._waiting) == HELD_LIMIT:
            self._is_crowded = True
            self._keep_listed(0)
        return self._begin() if len(self._waiting) == HELD_LIMIT else ()

    def at_end(self) -> Sequence[tuple[Read, Control]]:
        """Return what still waited, when all that lies there was read.

        What is written from now on counts by today's file as well, where that is newer than what lies on `control`.
        """
        orders = self._begin() if self._here is None else ()
        if self._here is not None and self._newest.keyring.version > self._here.keyring.version:
            self._here.keyring = self._newest.keyring
        return orders

    def _keep_listed(self, first: int) -> None:
        """Ignore what waits, from `first` on, by no key that the file lists: it pushes out nothing that was ordered."""
        listed = [waiting for waiting in self._waiting[first:] if self._beginning.is_listed(waiting[0])]
        self.ignored += len(self._waiting) - first - len(listed)
        self._waiting[first:] = listed

    def _begin(self) -> Sequence[tuple[Read, Control]]:
        self._here = self._beginning.trust()
        waiting, self._waiting = self._waiting, []
        return self._counting(waiting, self._here)

    def _counting(self, records: Sequence[tuple[Read, int]], here: Trust) -> Sequence[tuple[Read, Control]]:
        counting: list[tuple[Read, Control]] = []
        for record, written_us in records:
            try:
                order = read_event(
                    Control.TOPIC,
                    record.key,
                    record.value,
                    record.headers,
                    trust=here,
                    audience=self._audience,
                    now_us=written_us,
                )
                if isinstance(order, Control) and order.kind == "keyring":
                    self._newest.adopt(order.value)
            except ContractError:
                self.ignored += 1
                continue
            if isinstance(order, Control):
                counting.append((record, order))
        return counting

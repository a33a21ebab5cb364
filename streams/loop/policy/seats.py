"""Room for so many entities: who has a seat keeps it until it was silent for long, and who finds none is told of.

To seat every newcomer in place of the one not heard of for longest would, with one entity too many, always unseat the
one that reports next: of none a whole life would be seen.
"""

from collections import OrderedDict

import msgspec

from schemas.events import Event
from streams.learners.life_course import LifeCourse
from streams.loop.occasion import Occasion
from streams.loop.remembering import forget_oldest
from streams.loop.turned_away import NAMES_LIMIT, TurnedAway
from streams.loop.untold import Untold

LIMIT = "policy.renewal.entity_limit"
SETTLED_LIMIT = 4
"""Actions of an entity that are remembered as settled: it has one under way at a time."""


class Life(msgspec.Struct, kw_only=True):
    """One entity; `course` is None between two lives. `asked` is the proposal, `under_way` the action whose end is
    waited for, until `until_us`; before that nothing new is proposed. `early` is an action, its end and the time of
    it, heard before the verdict; of those `settled` nothing counts any more. A life that is not `whole` teaches
    nothing. `seen_us` is of its own clock, `heard_us` is loop time.
    """

    seen_us: int
    heard_us: int = 0
    began_us: int = 0
    course: LifeCourse | None = None
    whole: bool = True
    told: bool = False
    asked: str | None = None
    under_way: str | None = None
    until_us: int = 0
    early: tuple[str, str, int] | None = None
    settled: tuple[str, ...] = ()

    def begin(self, course: LifeCourse) -> LifeCourse:
        """Begin a life with the window seen; whatever was still under way is part of what made it new."""
        self.settle(self.under_way)
        self.course, self.began_us = course, self.seen_us
        self.told, self.asked, self.until_us = False, None, 0
        return course

    def settle(self, action: str | None) -> None:
        """Take it that of an action nothing more is to be heard, or that its end means nothing here."""
        if action is None:
            return
        if action not in self.settled:
            self.settled = (*self.settled, action)[-SETTLED_LIMIT:]
        if self.under_way == action:
            self.under_way = None
        if self.early is not None and self.early[0] == action:
            self.early = None


class SeatsState(msgspec.Struct, array_like=True):
    """The seated, the one not heard of for longest first; who found no seat since that was last told, and which windows
    of whom were counted.
    """

    lives: list[tuple[str, Life]]
    crowded: bool
    rows: int
    names: list[str]
    counted: list[tuple[str, int]]
    told_us: int | None


class Seats:
    """Those who have a seat, at most `limit`; one that was silent for `silence_us` of loop time makes room.

    Once all seats were taken, of a newcomer nobody knows whether it was turned away before: the life in which it comes
    is not whole.
    """

    def __init__(self, *, limit: int, silence_us: int) -> None:
        self._limit = limit
        self._silence_us = silence_us
        self._lives: OrderedDict[str, Life] = OrderedDict()
        self._crowded = False
        self._away = TurnedAway(LIMIT)
        self._counted: OrderedDict[str, int] = OrderedDict()

    def get(self, entity: str) -> Life | None:
        """Return the life of one that has a seat."""
        return self._lives.get(entity)

    def hear(self, entity: str, now_us: int) -> Life | None:
        """Return the life of one that has a seat, and note that it was heard of."""
        life = self._lives.get(entity)
        if life is not None:
            life.heard_us = now_us
            self._lives.move_to_end(entity)
        return life

    def seat(self, entity: str, seen_us: int, now_us: int) -> Life | None:
        """Give a newcomer a seat, if there is one; `seen_us` is the time behind which its windows count."""
        if len(self._lives) >= self._limit:
            self._crowded = True
            oldest = next(iter(self._lives))
            if now_us - self._lives[oldest].heard_us <= self._silence_us:
                return None
            del self._lives[oldest]
        life = self._lives[entity] = Life(seen_us=seen_us, heard_us=now_us, whole=not self._crowded)
        return life

    def turn_away(self, entity: str, start_us: int, on: Occasion) -> list[Event]:
        """Count a window without a seat; return what is told of all of them, at once at first, then once a minute."""
        if start_us <= self._counted.get(entity, start_us - 1):
            return []
        self._counted[entity] = start_us
        self._counted.move_to_end(entity)
        forget_oldest(self._counted, NAMES_LIMIT)
        return self._away.note(entity, on)

    def columns(self) -> SeatsState:
        """Return the whole state."""
        away = self._away.columns()
        return SeatsState(
            lives=list(self._lives.items()),
            crowded=self._crowded,
            rows=away.rows,
            names=away.names,
            counted=list(self._counted.items()),
            told_us=away.told_us,
        )

    def restore(self, state: SeatsState) -> None:
        """Replace the state by what `columns` returned; where there are fewer seats now, the latest heard of keep
        theirs.
        """
        self._lives = OrderedDict(state.lives)
        self._crowded = state.crowded or len(self._lives) > self._limit
        forget_oldest(self._lives, self._limit)
        self._away.restore(Untold(state.rows, state.names, state.told_us))
        self._counted = OrderedDict(state.counted)

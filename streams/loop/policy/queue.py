"""Episodes that wait to be decided: in their order, held by storms, and told where there is no room for them."""

from collections import OrderedDict
from collections.abc import Container, Iterable

from schemas.events import Event, Storm
from streams.loop.occasion import Occasion
from streams.loop.policy.openings import NEVER_US, Openings
from streams.loop.policy.settings import PolicySettings
from streams.loop.policy.state import Timer, Waiting
from streams.loop.remembering import forget_oldest
from streams.loop.turned_away import TurnedAway

LIMIT = "policy.open_limit"


class Queue:
    """Those that wait, by entity: of each the latest alone. `held` are episodes, waiting or not, and the time until
    which they wait for another entity to be acted on.
    """

    def __init__(self, settings: PolicySettings) -> None:
        self._settings = settings
        self.waiting: OrderedDict[str, Waiting] = OrderedDict()
        self.held: OrderedDict[str, int] = OrderedDict()
        self.turned_away = TurnedAway(LIMIT)

    def adopt(self, waiting: Iterable[tuple[str, Waiting]], held: Iterable[tuple[str, int]]) -> None:
        """Replace who waits and who is held."""
        self.waiting, self.held = OrderedDict(waiting), OrderedDict(held)

    def put(self, waiting: Waiting, on: Occasion) -> list[Event]:
        """Let an episode wait; return what is told of those that found no room any more, the oldest first."""
        self.waiting[waiting.recurrence.entity] = waiting
        if len(self.waiting) <= self._settings.open_limit:
            return []
        entity, _ = self.waiting.popitem(last=False)
        return self.turned_away.note(entity, on)

    def drop(self, entity: str, episode: str) -> None:
        """Let an episode wait no longer: it is over, or under way."""
        if self._of(entity, episode) is not None:
            del self.waiting[entity]

    def timers(self, busy: Container[str], openings: Openings, *, told_us: int, rest_us: int) -> list[Timer]:
        """Return when each may be decided whose entity is not `busy`, and which can be by a time that is known: not
        before `rest_us`, and where nothing is said about it at `told_us`.
        """
        timers: list[Timer] = []
        for place, (entity, waiting) in enumerate(self.waiting.items()):
            if entity not in busy:
                due_us = max(waiting.due_us or told_us, openings.opens_us(waiting), rest_us)
                if due_us < NEVER_US:
                    timers.append((due_us, "retry", place, entity))
        return timers

    def is_due(self, entity: str, openings: Openings, *, now_us: int, rest_us: int) -> bool:
        """Return whether an episode of the entity waits, and may be decided now; none may before `rest_us`."""
        waiting = self.waiting.get(entity)
        if waiting is None:
            return False
        return max(waiting.due_us or 0, openings.opens_us(waiting), rest_us) <= now_us

    def retried(self, entity: str) -> str:
        """Return what tells a retry from every other: by a gate whose clock is behind, two may be due at one time."""
        waiting = self.waiting[entity]
        return f"{entity}/{waiting.recurrence.episode}/{waiting.attempt}"

    def hold(self, storm: Storm) -> None:
        """Let those wait whose trouble began elsewhere; one that turns out to be an origin waits no longer."""
        until_us = storm.time_us + self._settings.hold_us
        actionable = {member.entity for member in storm.members if member.actionable}
        for member in storm.members:
            if member.behind != member.entity and member.behind in actionable:
                self._delay(member.entity, member.episode, self.held.setdefault(member.episode, until_us))
            elif self.held.pop(member.episode, None) is not None:
                self._release(member.entity, member.episode, storm.time_us)
        forget_oldest(self.held, self._settings.remembered)

    def _delay(self, entity: str, episode: str, until_us: int) -> None:
        waiting = self._of(entity, episode)
        if waiting is not None and waiting.due_us is None:
            waiting.due_us = until_us

    def _release(self, entity: str, episode: str, now_us: int) -> None:
        """Let an episode that was held be decided; when to try again after an answer is not the storm's to say."""
        waiting = self._of(entity, episode)
        if waiting is not None and waiting.due_us is not None and waiting.attempt == 1:
            waiting.due_us = min(waiting.due_us, now_us)

    def _of(self, entity: str, episode: str) -> Waiting | None:
        waiting = self.waiting.get(entity)
        return waiting if waiting is not None and waiting.recurrence.episode == episode else None

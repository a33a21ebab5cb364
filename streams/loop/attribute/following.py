"""The proposals that are followed, by every key that an event may name; and those of which all was told."""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from schemas.events import Verdict
from streams.loop.attribute.joins import Join, is_refused, is_unheard_of, pack, windows_of
from streams.loop.attribute.settings import AttributeSettings
from streams.loop.remembering import forget_oldest

OTHERS_KEPT = 16
"""Other actions on the entity that are told apart in a horizon: the first ones."""


class Following:
    """The open proposals, in the order of their verdicts, and those whose default a late end may still correct."""

    def __init__(self, settings: AttributeSettings, expires_us: Mapping[str, int] = MappingProxyType({})) -> None:
        """`expires_us` is how long after its verdict an action may be begun, by its name."""
        self._settings, self._expires_us = settings, expires_us
        self.open: OrderedDict[str, Join] = OrderedDict()
        self.late: OrderedDict[str, Join] = OrderedDict()
        self.done: OrderedDict[str, None] = OrderedDict()
        self._by_action: dict[str, str] = {}
        self._by_entity: dict[str, list[str]] = {}

    def adopt(self, *, open_: Iterable[Join], late: Iterable[Join], done: Iterable[str]) -> None:
        """Replace all of them."""
        self.open, self.late = OrderedDict(), OrderedDict()
        self._by_action, self._by_entity = {}, {}
        for join in open_:
            self.follow(join)
        for join in late:
            self._await(join)
        self.done = OrderedDict.fromkeys(done)

    def of_action(self, action: str) -> Join | None:
        """Return the proposal that became an action."""
        key = self._by_action.get(action, "")
        return self.open.get(key) or self.late.get(key)

    def of_entity(self, entity: str, start_us: int) -> list[Join]:
        """Return the proposals about an entity that a measurement may be of: those of their horizon may come later than
        a default, but none does after one that starts at or after its end.
        """
        joins = self._about(entity)
        left = [join for join in joins if not (join.waits_for_late and self._is_past(join, start_us))]
        if len(left) < len(joins):
            self._by_entity[entity] = [join.proposal.id for join in left]
        return left

    def mix(self, verdict: Verdict) -> None:
        """Note an action, which a dry run is none, in the horizons of other proposals about its entity."""
        if verdict.action is None or verdict.dry_run:
            return
        for join in self._about(verdict.proposal.entity):
            inside = join.began_us <= verdict.time_us and not self._is_past(join, verdict.time_us)
            if inside and len(join.others) < OTHERS_KEPT:
                join.others.setdefault(verdict.action, verdict.time_us)

    def others_us(self, join: Join, now_us: int) -> list[int]:
        """Return when other actions were let through within a proposal's horizon, without those that never ran."""
        now_us = min(now_us, join.due_us)
        return [us for action, us in join.others.items() if not self._never_ran(action, us, now_us)]

    def _never_ran(self, action: str, let_through_us: int, now_us: int) -> bool:
        """Return whether nobody began an action: nobody may after it expired."""
        join = self.of_action(action)
        if join is None or not is_unheard_of(join):
            return join is not None and is_refused(join)
        after_us = self._expires_us.get(join.proposal.action)
        is_expired = after_us is not None and let_through_us + after_us + self._settings.grace_us <= now_us
        return join.waits_for_late or is_expired

    def _unmix(self, join: Join) -> None:
        """Note that an action never ran."""
        for other in self._about(join.proposal.entity):
            other.others.pop(join.verdict.action or "", None)

    def of_episode(self, episode: str, entity: str) -> list[Join]:
        """Return the open proposals about an episode."""
        return [join for join in self._about(entity) if join.proposal.episode == episode and not join.waits_for_late]

    def due(self, now_us: int) -> list[tuple[int, str]]:
        """Return the open proposals with something to do by now, by when that was due; each once per thing."""
        times = [(us, key) for key, join in self.open.items() for us in (join.early_us, join.due_us) if us is not None]
        return sorted((us, key) for us, key in times if us <= now_us)

    def next_us(self) -> int | None:
        """Return when the next one is due, or the first default stands for good."""
        times = [join.due_us if join.early_us is None else join.early_us for join in self.open.values()]
        if self.late:
            times.append(next(iter(self.late.values())).due_us)
        return min(times, default=None)

    def follow(self, join: Join) -> None:
        """Follow a proposal."""
        self.open[join.proposal.id] = join
        self._name(join)

    def leave(self, join: Join) -> None:
        """Follow a proposal no longer."""
        key, entity = join.proposal.id, join.proposal.entity
        if (self.open.pop(key, None) or self.late.pop(key, None)) is not None:
            rest = [other for other in self._by_entity.pop(entity, ()) if other != key]
            if rest:
                self._by_entity[entity] = rest
        self._by_action.pop(join.verdict.action or "", None)

    def finish(self, join: Join) -> None:
        """Note that all was told of a proposal."""
        self.leave(join)
        if join.end is not None and join.end.state == "refused":
            self._unmix(join)
        self.done[join.proposal.id] = None
        if join.verdict.action is not None:
            self.done[join.verdict.action] = None
        forget_oldest(self.done, self._settings.remembered)

    def wait_for_late(self, join: Join) -> Join | None:
        """Wait for nothing but a late end; return the oldest of those that do where there are too many."""
        self.leave(join)
        pack(join, windows_of(join))
        self._await(join)
        if len(self.late) <= self._settings.late_limit:
            return None
        oldest = next(iter(self.late.values()))
        self.finish(oldest)
        return oldest

    def let_stand(self, now_us: int) -> None:
        """Wait no longer for ends that are later than late; the first to wait is the first to be due."""
        while self.late and (join := next(iter(self.late.values()))).due_us <= now_us:
            self.finish(join)

    def snapshot(self) -> tuple[list[Join], list[Join], list[str]]:
        """Return the open ones, those that wait for a late end, and the ids of which all was told."""
        return list(self.open.values()), list(self.late.values()), list(self.done)

    def _await(self, join: Join) -> None:
        self.late[join.proposal.id] = join
        self._name(join)

    def _name(self, join: Join) -> None:
        self._by_entity.setdefault(join.proposal.entity, []).append(join.proposal.id)
        if join.verdict.action is not None:
            self._by_action[join.verdict.action] = join.proposal.id

    def _about(self, entity: str) -> list[Join]:
        return [self.open.get(key) or self.late[key] for key in self._by_entity.get(entity, ())]

    def _is_past(self, join: Join, start_us: int) -> bool:
        return start_us >= join.verdict.time_us + self._settings.horizon_us

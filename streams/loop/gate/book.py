"""The gate's books: what is open, under way, cooling down and spent, and how actions ended."""

from collections import Counter
from collections.abc import Mapping

from msgspec.structs import replace

from schemas.events import Action, Census, Episode, Outcome, Proposal
from streams.loop.actions import ActionSettings
from streams.loop.gate.ends import Ends
from streams.loop.gate.health import Health
from streams.loop.gate.open_by_group import OpenByGroup
from streams.loop.gate.settings import GateSettings
from streams.loop.gate.spending import Spending
from streams.loop.gate.state import End, Field, InFlight, Opened, Question
from streams.loop.groups import GROUPS_MAX
from streams.loop.limits import MOST, Limits, SlidingWindows, parse_limits

TIGHTENED = 2
"""What the limit of an action is divided by when its runs end badly, until a person re-arms it."""
EXPLORING = "exploring"
ESCALATING = "escalating"
NOTHING = parse_limits("0/day")
GROUP_KEPT_US = 30 * 86_400_000_000
"""So long after it last claimed an action of a name a group of executors is taken to do those: what another one refuses
is not over."""


class Book:
    """Folds what happens; every question it answers is about the present `now_us`.

    `touched` are the scopes that may be blocked otherwise by what was folded; whoever tells them clears it.
    """

    def __init__(self, settings: GateSettings, *, actions: Mapping[str, ActionSettings]) -> None:
        self._settings = settings
        self._actions = actions
        self._limits: dict[str, Limits] = {
            "loop": parse_limits(settings.loop_limit),
            "pattern": parse_limits(settings.pattern_limit),
            "entity": parse_limits(settings.entity_attempts),
            EXPLORING: parse_limits(settings.explore_limit),
            ESCALATING: parse_limits(settings.escalation_limit),
            **{f"action:{name}": parse_limits(action.limit) for name, action in actions.items()},
        }
        self.windows = SlidingWindows(limits_of=self._limits_of, keys_max=settings.tracked)
        self.health = Health(settings)
        self.ends = Ends(settings)
        self.spending = Spending(budget=settings.cost_a_day, entries=MOST)
        self.field = Field()
        self._on_entity: dict[str, int] = {}
        self._unwell = OpenByGroup()
        self.touched: set[str] = set()

    def adopt(self, field: Field) -> None:
        """Replace what is going on."""
        self.field = field
        field.groups = {name: groups for name, groups in field.groups.items() if name in self._actions}
        self._on_entity = dict(Counter(action.entity for action in field.in_flight.values()))
        self._unwell = OpenByGroup(field.episodes.values())

    def see_episode(self, episode: Episode, now_us: int) -> None:
        """Note that an episode is open, or over for good. Of too many those over for longest are forgotten first; only
        then the one open for longest, on which nothing is allowed any more.
        """
        name, episodes, over_us = episode.episode, self.field.episodes, self.field.over_us
        if episode.phase == "closed":
            self._unwell.remove(episodes.pop(name, None))
            over_us.setdefault(name, now_us)
        elif name not in over_us and name not in episodes:
            episodes[name] = Opened(episode.entity, episode.group, now_us)
            self._unwell.add(episodes[name])
        if len(episodes) + len(over_us) > self._settings.tracked:
            if over_us:
                del over_us[next(iter(over_us))]
            else:
                self._unwell.remove(episodes.pop(next(iter(episodes))))

    def see_census(self, census: Census, now_us: int) -> None:
        """Note how a part of the fleet is."""
        self.health.see(census, now_us)
        self.touched.add("loop")

    def reserve(self, question: Question, action: Action) -> None:
        """Spend one of every allowance that this action falls under."""
        proposal, scopes, touched = question.proposal, question.scopes, self.touched
        for scope in (scopes.action, scopes.entity, scopes.pattern, scopes.loop):
            if self.windows.reserve(scope, action.issued_us):
                touched.add(scope)
        if question.exploring:
            self.windows.reserve(EXPLORING, action.issued_us)
        self.spending.add(action.issued_us, self._actions[action.action].cost)
        entity, field = action.entity, self.field
        deadline_us = action.expires_us + self._settings.outcome_timeout_us
        field.in_flight[action.id] = InFlight(
            action.action, entity, self.group_of(proposal), proposal.episode, deadline_us
        )
        self._on_entity[entity] = self._on_entity.get(entity, 0) + 1
        field.acted_us.pop(entity, None)
        field.acted_us[entity] = action.issued_us
        touched.add(scopes.entity)
        if len(field.in_flight) >= self._settings.concurrency or self._settings.ramp_us:
            touched.add(scopes.loop)

    def join(self, pattern: str, into: str) -> None:
        """Count what was spent on a pattern as spent on the one that it was merged into."""
        self.windows.join(f"pattern:{pattern}", f"pattern:{into}")
        self.touched.add(f"pattern:{into}")

    def see_outcome(self, outcome: Outcome, now_us: int) -> str | None:
        """Note what an executor says of an action; return how that ended, where this ended it (`InFlight.end`). It is
        under way again where another group claims it after that; its end then counts in place of the one that was
        counted before, where it is worse.
        """
        under_way = self.field.in_flight.get(outcome.action) or self._claimed_late(outcome, now_us)
        heard = None if under_way is None else under_way.heard(outcome)
        if heard is None or heard is under_way:
            return None
        self.field.in_flight[outcome.action] = heard
        if outcome.state == "claimed":
            self._hear_of(outcome.group, heard.action, now_us)
        state = heard.end(self.field.groups.get(heard.action, ()))
        if state is not None:
            self._take(outcome.action)
            if state != "refused":  # it ran
                heard = self._ended(heard, state != "succeeded", now_us)
            self._remember_end(outcome.action, heard, now_us)
        return state

    def give_up(self, action: str, now_us: int) -> None:
        """Count the end of an action as unknown: its executor did not say; as none where some refused it, and nobody
        began: what one began in time would have been heard of by now.
        """
        given_up = self._take(action)
        if not given_up.is_refused:
            self._ended(given_up, bad=True, now_us=now_us)

    def settle(self, action: str, state: str, now_us: int) -> None:
        """End an action as a person says; an outcome that comes later counts no more."""
        if action in self.field.in_flight:
            self._ended(self._take(action), state != "succeeded", now_us)

    def breakers(self) -> dict[str, int]:
        """Return the breakers that are open (`action:NAME` of each action that fails too often, `loop` in a storm), and
        since when, in order.
        """
        tripped_us, stormy_us = self.ends.tripped_us, self.health.stormy_us
        if not tripped_us and stormy_us is None:
            return {}
        found = {f"action:{name}": us for name, us in sorted(tripped_us.items()) if name in self._actions}
        return found if stormy_us is None else found | {"loop": stormy_us}

    def rearm(self, target: str) -> None:
        """Close the breaker of `action:NAME`, lift what tightened by itself and forget its bad ends; of `loop`: all of
        them, and that of the storm.
        """
        if target == "loop":
            self.health.rearm()
        for name in sorted({*self._actions, *self.ends.tripped_us}):
            if target in ("loop", f"action:{name}"):
                self.windows.loosen(f"action:{name}")
                self.ends.forget(name)
                self.touched.add(f"action:{name}")

    def spent_scopes(self) -> list[str]:
        """Return the scopes of which something was spent."""
        return [key for key in self.windows.keys() if ":" in key]  # noqa: SIM118  # no mapping: it is sorted

    def scopes(self) -> list[str]:
        """Return all scopes, but for `loop`, that what happened may block."""
        return [*self.spent_scopes(), *(f"entity:{name}" for name in (*self._on_entity, *self.field.cooldowns_us))]

    def under_way(self, entity: str) -> bool:
        """Return whether an action on the entity has not ended."""
        return entity in self._on_entity

    def cooling_until(self, entity: str, now_us: int) -> int | None:
        """Return when the entity has cooled down, or None when it has."""
        until_us = self.field.cooldowns_us.get(entity, now_us)
        return until_us if until_us > now_us else None

    def reached(self, now_us: int) -> int:
        """Return how many different entities were acted on within the blast window."""
        acted = self.field.acted_us
        oldest_us = now_us - self._settings.blast_window_us
        while acted and acted[first := next(iter(acted))] <= oldest_us:
            del acted[first]
        return len(acted)

    def unwell(self, group: str) -> int:
        """Return how many entities of a group have an open episode."""
        return self._unwell.count(group)

    def is_unwell(self, group: str, entity: str) -> bool:
        """Return whether an entity of a group has an open episode."""
        return self._unwell.has(group, entity)

    def disturbed(self, group: str) -> int:
        """Return how many entities of a group are acted on that have no open episode."""
        under_way = self.field.in_flight.values()
        return sum(one.group == group and not self._unwell.has(group, one.entity) for one in under_way)

    def group_of(self, proposal: Proposal) -> str:
        """Return the group of the entity: as its open episode says, else as the proposal does."""
        known = self.field.episodes.get(proposal.episode)
        return proposal.group if known is None else known.group

    def _hear_of(self, group: str, action: str, now_us: int) -> None:
        groups = self.field.groups.setdefault(action, {})
        groups.pop(group, None)
        groups[group] = now_us
        while len(groups) > GROUPS_MAX or groups[next(iter(groups))] <= now_us - GROUP_KEPT_US:
            del groups[next(iter(groups))]

    def _claimed_late(self, outcome: Outcome, now_us: int) -> InFlight | None:
        """Return an action that others ended and of which a group says only now that it begins: it is under way."""
        known = self.field.ended.get(outcome.action)
        if known is None or outcome.state != "claimed" or outcome.group in known.said or known.deadline_us <= now_us:
            return None
        del self.field.ended[outcome.action]
        self.field.in_flight[outcome.action] = known
        self._on_entity[known.entity] = self._on_entity.get(known.entity, 0) + 1
        self.touched.update((f"entity:{known.entity}", "loop"))
        return known

    def _remember_end(self, action: str, ended: InFlight, now_us: int) -> None:
        """Remember an action that ended, and forget others: what nobody may begin any more, and too many."""
        known = self.field.ended
        known[action] = ended
        while len(known) > self._settings.tracked or known[next(iter(known))].deadline_us <= now_us:
            del known[next(iter(known))]
            if not known:
                return

    def _take(self, action: str) -> InFlight:
        """Take an action off those under way."""
        ended = self.field.in_flight.pop(action)
        self._on_entity[ended.entity] -= 1
        if not self._on_entity[ended.entity]:
            del self._on_entity[ended.entity]
        self.touched.update((f"entity:{ended.entity}", "loop"))
        return ended

    def _ended(self, action: InFlight, bad: bool, now_us: int) -> InFlight:
        """Cool its entity down and count its end, but no better one than was counted; return it with what counts."""
        declared = self._actions.get(action.action)
        if declared is not None and declared.cooldown_us > 0:
            self._cool(action.entity, now_us + declared.cooldown_us, now_us)
        before = action.counted
        if before is not None and before.bad >= bad:
            return action
        if self.ends.add(action.action, now_us, bad=bad, instead=before):
            self.windows.tighten(f"action:{action.action}", TIGHTENED)
        self.touched.add(f"action:{action.action}")
        return replace(action, counted=End(now_us, bad))

    def _cool(self, entity: str, until_us: int, now_us: int) -> None:
        cooldowns = self.field.cooldowns_us
        if entity not in cooldowns and len(cooldowns).bit_count() == 1:  # now and then: at 1, 2, 4, 8, ... entities
            self.field.cooldowns_us = cooldowns = {name: us for name, us in cooldowns.items() if us > now_us}
        cooldowns[entity] = until_us

    def _limits_of(self, key: str) -> Limits:
        """Return the limits of a scope; of an action that is no longer declared, none are left to allow."""
        limits = self._limits
        return limits.get(key) or limits.get(key[: key.find(":")]) or NOTHING

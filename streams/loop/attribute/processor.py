"""Verdict, outcome and measurements to experience: exactly one per proposal, and a correction after a default."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import msgspec

from schemas.errors import RecoveryError
from schemas.events import NONE, Episode, Event, Experience, Measurement, Outcome, Verdict
from schemas.ids import Cause, Mint
from streams.loop.actions import ActionSettings
from streams.loop.attribute.joins import Join, Window, ended_us_of, is_judged, keep, settles, window_of
from streams.loop.attribute.reward import Measured, measure
from streams.loop.attribute.settings import AttributeSettings
from streams.loop.occasion import Occasion, fold_events
from streams.loop.processor import Input, Now
from streams.loop.remembering import forget_oldest

STATE_VERSION = 2
RECENT_WINDOWS = 8
"""Windows kept per entity before its verdict comes: verdicts and measurements travel on different topics."""
State = Literal["observed", "defaulted", "late", "censored", "unobservable"]


class _State(msgspec.Struct):
    version: int
    joins: list[Join]
    recent: list[tuple[str, list[Window]]]
    closed: list[tuple[str, int]]
    done: list[str]
    early: list[tuple[str, list[tuple[str, Outcome]]]]


class Attribute:
    """Follows every proposal from its verdict to its one experience.

    Not executed (denied, shadowed, refused, never approved): `censored`, at once. Executed: judged from the entity's
    measurements when the horizon ends: `observed`, or `unobservable` when they tell nothing. No end heard by then:
    `defaulted`; the effective action is the proposed one if it was claimed and `none` if nobody started it. An end
    that comes after that gives `late`. Neither has a reward where nothing was measured: that says nothing, and what is
    missing more often would look worse. An end `unknown` was started: it is observed, and `outcome` says so.
    """

    name = "attribute"

    def __init__(self, settings: AttributeSettings, *, loop: str, actions: dict[str, ActionSettings]) -> None:
        self._settings = settings
        self._loop = loop
        self._costs = {name: action.cost for name, action in actions.items()}
        self._joins: OrderedDict[str, Join] = OrderedDict()
        self._by_action: dict[str, str] = {}
        self._by_entity: dict[str, list[str]] = {}
        self._recent: OrderedDict[str, list[Window]] = OrderedDict()
        self._closed: OrderedDict[str, int] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._early: OrderedDict[str, list[tuple[str, Outcome]]] = OrderedDict()

    def on_batch(self, inputs: Sequence[Input], now: Now) -> list[Event]:
        """Fold records in order."""
        return fold_events(inputs, now, Mint(loop=self._loop, processor=self.name), self._fold)

    def on_time(self, now: Now) -> list[Event]:
        """Judge the proposals whose window ended."""
        mint = Mint(loop=self._loop, processor=self.name)
        outputs: list[Event] = []
        due = sorted((join.due_us, key) for key, join in self._joins.items() if join.due_us <= now.us)
        for due_us, key in due:
            outputs += self._end_window(
                self._joins[key], Occasion(Cause(f"timer:{self.name}:{key}", 0, due_us), now, mint)
            )
        return outputs

    def next_time(self) -> int | None:
        """Return when the next window ends."""
        return min((join.due_us for join in self._joins.values()), default=None)

    def snapshot(self) -> bytes:
        """Return the whole state."""
        state = _State(
            version=STATE_VERSION,
            joins=list(self._joins.values()),
            recent=list(self._recent.items()),
            closed=list(self._closed.items()),
            done=list(self._done),
            early=list(self._early.items()),
        )
        return msgspec.msgpack.encode(state)

    def restore(self, snapshot: bytes) -> None:
        """Replace the state; raises `RecoveryError` when it is of another version."""
        state = msgspec.msgpack.decode(snapshot, type=_State)
        if state.version != STATE_VERSION:
            raise RecoveryError(f"state of attribute must have version {STATE_VERSION}, got {state.version}")
        self._joins, self._by_action, self._by_entity = OrderedDict(), {}, {}
        for join in state.joins:
            self._follow(join)
        self._recent = OrderedDict(state.recent)
        self._closed = OrderedDict(state.closed)
        self._done = OrderedDict((key, None) for key in state.done)
        self._early = OrderedDict(state.early)

    def _fold(self, event: Event, on: Occasion) -> list[Event]:
        match event:
            case Measurement():
                self._see(event)
            case Episode() if event.phase == "closed" and event.closed_us is not None:
                self._closed.setdefault(event.episode, event.closed_us)
                forget_oldest(self._closed, self._settings.remembered)
            case Verdict():
                return self._decided(event, on)
            case Outcome():
                return self._ended(event, on)
            case _:
                pass
        return []

    def _see(self, measurement: Measurement) -> None:
        """Keep a window for the open proposals of its entity, and for a verdict that is still under way. Of the parts
        of a window that a silence cut in two, which begin at the same time, the first counts.
        """
        window = window_of(measurement, self._settings.availability)
        recent = self._recent.setdefault(measurement.entity, [])
        self._recent.move_to_end(measurement.entity)
        if not recent or window.start_us > recent[-1].start_us:
            recent.append(window)
            del recent[:-RECENT_WINDOWS]
        forget_oldest(self._recent, self._settings.open_limit)
        for key in self._by_entity.get(measurement.entity, ()):
            keep(self._joins[key], window, self._settings)

    def _decided(self, verdict: Verdict, on: Occasion) -> list[Event]:
        key = verdict.proposal.id
        known = self._joins.get(key)
        if key in self._done or (known is not None and not settles(known.verdict, verdict)):
            return []
        if known is not None:
            self._unfollow(known)
        join = Join(verdict=msgspec.structs.replace(verdict, checks=()), verdict_at=str(on.cause), due_us=0)
        if verdict.verdict in ("deny", "shadow"):
            return [self._censor(join, on)]
        window_us = self._settings.horizon_us + self._settings.grace_us
        join.due_us = verdict.time_us + (self._settings.escalation_us if verdict.verdict == "escalate" else window_us)
        for window in self._recent.get(verdict.proposal.entity, ()):
            keep(join, window, self._settings)
        outputs = self._make_room(on)
        self._follow(join)
        for at, outcome in self._early.pop(verdict.action or "", ()):
            outputs += self._hear(join, outcome, at, on)
        return outputs

    def _ended(self, outcome: Outcome, on: Occasion) -> list[Event]:
        key = self._by_action.get(outcome.action)
        if key is not None:
            return self._hear(self._joins[key], outcome, str(on.cause), on)
        if outcome.action in self._done:
            return []
        heard = self._early.setdefault(outcome.action, [])
        if len(heard) < 4 and all(other.id != outcome.id for _, other in heard):
            heard.append((str(on.cause), outcome))
        forget_oldest(self._early, self._settings.open_limit)
        return []

    def _hear(self, join: Join, outcome: Outcome, at: str, on: Occasion) -> list[Event]:
        """Note a claim or the end; only the first of each counts, and the end must be the claimer's."""
        if outcome.state == "claimed":
            join.claim = join.claim or outcome
            return []
        if join.end is not None or (join.claim is not None and join.claim.executor != outcome.executor):
            return []
        join.end, join.end_at = outcome, at
        if join.waits_for_late:
            return [self._correct(join, on)]
        return [self._censor(join, on)] if outcome.state == "refused" else []

    def _end_window(self, join: Join, on: Occasion) -> list[Event]:
        if join.waits_for_late:
            self._finish(join)
            return []
        if join.verdict.verdict == "escalate":
            return [self._censor(join, on)]
        if join.end is None and join.verdict.action is not None and is_judged(join.proposal):
            return [self._default(join, on)]
        effective = join.proposal.action
        measured = self._measure(join, effective)
        self._finish(join)
        return [self._write(join, on, measured, state="observed" if measured else "unobservable", effective=effective)]

    def _default(self, join: Join, on: Occasion) -> Experience:
        effective = join.proposal.action if join.claim else NONE
        measured = self._measure(join, effective)
        join.waits_for_late, join.defaulted = True, measured.reward if measured else None
        join.due_us = join.verdict.time_us + self._settings.horizon_us + self._settings.late_us
        return self._write(join, on, measured, state="defaulted", effective=effective)

    def _correct(self, join: Join, on: Occasion) -> Experience:
        refused = join.end is not None and join.end.state == "refused"
        effective = NONE if refused else join.proposal.action
        measured = self._measure(join, effective)
        self._finish(join)
        return self._write(join, on, measured, state="late", effective=effective)

    def _censor(self, join: Join, on: Occasion) -> Experience:
        self._finish(join)
        return self._write(join, on, None, state="censored", effective=NONE)

    def _measure(self, join: Join, effective: str) -> Measured | None:
        """Return what became of the episode, or of an entity that the loop acted on without one; a person's proposal
        about that teaches nothing.
        """
        if not is_judged(join.proposal) or (not join.proposal.episode and effective == NONE):
            return None
        decided_us = join.verdict.time_us
        return measure(
            join.windows,
            decided_us=decided_us,
            ended_us=decided_us if effective == NONE else max(decided_us, ended_us_of(join)),
            closed_us=self._closed.get(join.proposal.episode),
            cost=self._cost(effective),
            settings=self._settings,
        )

    def _cost(self, effective: str) -> float:
        return 0.0 if effective == NONE else self._costs.get(effective, 0.0)

    def _write(
        self,
        join: Join,
        on: Occasion,
        measured: Measured | None,
        *,
        state: State,
        effective: str,
    ) -> Experience:
        proposal = join.proposal
        heard = join.end or join.claim
        causes = dict.fromkeys(text for text in (str(on.cause), join.verdict_at, join.end_at) if text)
        return Experience(
            id=on.id(),
            time_us=on.now.us,
            causes=tuple(causes),
            proposal=proposal.id,
            entity=proposal.entity,
            episode=proposal.episode,
            pattern=proposal.pattern,
            arm=proposal.hold_out.arm if proposal.hold_out else "loop",
            state=state,
            proposed=proposal.action,
            effective=effective,
            effective_probability=proposal.propensity,
            verdict=join.verdict.verdict,
            reward=measured.reward if measured else None,
            retracted_reward=join.defaulted if state == "late" else None,
            cost=self._cost(effective),
            action=join.verdict.action,
            outcome=heard.state if heard else None,
            decided_us=join.verdict.time_us,
            recovery_us=measured.recovery_us if measured else None,
            recovered=measured.recovered if measured else None,
            availability=measured.availability if measured else None,
            features=proposal.features,
            by=proposal.by,
        )

    def _follow(self, join: Join) -> None:
        key = join.proposal.id
        self._joins[key] = join
        self._by_entity.setdefault(join.proposal.entity, []).append(key)
        if join.verdict.action is not None:
            self._by_action[join.verdict.action] = key

    def _unfollow(self, join: Join) -> None:
        key, entity = join.proposal.id, join.proposal.entity
        self._joins.pop(key, None)
        self._by_action.pop(join.verdict.action or "", None)
        rest = [other for other in self._by_entity.pop(entity, ()) if other != key]
        if rest:
            self._by_entity[entity] = rest

    def _finish(self, join: Join) -> None:
        self._unfollow(join)
        self._done[join.proposal.id] = None
        if join.verdict.action is not None:
            self._done[join.verdict.action] = None
        forget_oldest(self._done, self._settings.remembered)

    def _make_room(self, on: Occasion) -> list[Event]:
        """Give up the oldest proposal when too many are followed; it is still told once."""
        if len(self._joins) < self._settings.open_limit:
            return []
        oldest = next(iter(self._joins.values()))
        self._finish(oldest)
        if oldest.waits_for_late:
            return []
        return [self._write(oldest, on, None, state="unobservable", effective=oldest.proposal.action)]

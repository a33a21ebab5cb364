"""Simulated executors: the rules of the action client (claim, read back, start, one end) over the memory log."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.events import Action, Control, Event, Outcome
from schemas.ids import Cause, derive
from streams.replay.log import MemoryLog
from streams.replay.reading import read_events
from streams.worlds.world import World

ExecutorPoint = Literal["claimed", "started", "idle"]
End = Literal["succeeded", "failed", "refused", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An attempt that began: the truth about what was executed, which no topic can hide."""

    action: Action
    group: str
    executor: str
    time_us: int
    """By the executor's wall clock."""


class ExecutorGroup:
    """What the instances of one group share: the group's offsets in `actions`, and the truth about all starts."""

    def __init__(self, *, loop: str, name: str, log: MemoryLog, world: World, publish: Callable[[Event], None]) -> None:
        self.loop = loop
        self.name = name
        self.log = log
        self.world = world
        self.publish = publish
        self.offsets = [0] * log.partitions(Action.TOPIC)
        self.starts: list[Start] = []


class Executor:
    """One instance. `remember=False` switches its duplicate filter off: only to show that the filter is needed.

    `give_up_us`: an action without an end that long after its start becomes `unknown`.
    """

    def __init__(self, *, group: ExecutorGroup, name: str, life: int, remember: bool = True, give_up_us: int) -> None:
        self.name = name
        self._group = group
        self._life = life
        self._remember = remember
        self._give_up_us = give_up_us
        self._next_outcome = 0
        self._next_control = 0
        self._orders: dict[str, str] = {}
        self._winners: dict[str, Outcome] = {}
        self._ended: set[str] = set()
        self._claims: dict[str, Action] = {}
        self._running: dict[str, tuple[Action, int]] = {}

    def start(self, now_us: int) -> None:
        """Read what happened before; what a former life left without an end becomes `unknown`."""
        self._follow()
        for action, claim in sorted(self._winners.items()):
            if claim.executor == self.name and action not in self._ended:
                self._write(action, claim.entity, "unknown", now_us, detail="the executor ended before the action did")

    def turn(self, partitions: list[int], now_us: int) -> Iterator[ExecutorPoint]:
        """Consider new actions of the partitions owned now, start claims that won, give up what never ended."""
        self._follow()
        for partition in partitions:
            for offset, event in list(
                read_events(self._group.log, Action.TOPIC, partition, self._group.offsets[partition])
            ):
                if isinstance(event, Action) and self._consider(event, Cause(Action.TOPIC, partition, offset), now_us):
                    yield "claimed"
                self._group.offsets[partition] = offset + 1
        self._follow()
        for action in [claim for claim in self._claims.values() if claim.id in self._winners]:
            del self._claims[action.id]
            if self._start(action, now_us):
                yield "started"
        for action, started_us in [*self._running.values()]:
            if now_us - started_us > self._give_up_us:
                self._end(action, "unknown", now_us, detail="no end was reported")
        yield "idle"

    def ended(self, outcome: Outcome, now_us: int) -> None:
        """Take the end of an action from the world; ends of actions that do not run here are nobody's."""
        known = self._running.get(outcome.action)
        if known is not None and outcome.state in ("succeeded", "failed", "unknown"):
            self._end(known[0], outcome.state, now_us, detail=outcome.detail)

    def is_idle(self) -> bool:
        """Whether nothing waits for an end here."""
        return not self._running and not self._claims

    def _consider(self, action: Action, cause: Cause, now_us: int) -> bool:
        if self._remember and (action.id in self._winners or action.id in self._claims):
            return False
        refusal = self._why_not(action, now_us)
        if refusal is not None:
            self._refuse(action, now_us, refusal)
            return False
        self._claims[action.id] = action
        self._write(action.id, action.entity, "claimed", now_us, cause=cause)
        return True

    def _start(self, action: Action, now_us: int) -> bool:
        if self._remember and self._winners[action.id].id != self._claim_id(action.id):
            return False
        refusal = self._why_not(action, now_us)
        if refusal is not None:
            self._refuse(action, now_us, refusal)
            return False
        self._running[action.id] = (action, now_us)
        self._group.starts.append(Start(action=action, group=self._group.name, executor=self.name, time_us=now_us))
        if not action.dry_run:
            self._group.world.act(action, now_us)
        return True

    def _end(self, action: Action, state: End, now_us: int, *, detail: str) -> None:
        del self._running[action.id]
        self._write(action.id, action.entity, state, now_us, detail=detail)

    def _refuse(self, action: Action, now_us: int, why: str) -> None:
        """Tell why an action will not start, unless `outcomes`, read to its end, says that it is another one's."""
        self._follow()
        claim = self._winners.get(action.id)
        if claim is None or claim.executor == self.name:
            self._write(action.id, action.entity, "refused", now_us, detail=why)

    def _why_not(self, action: Action, now_us: int) -> str | None:
        if now_us > action.expires_us:
            return "expired"
        targets = ("loop", f"action:{action.action}", f"pattern:{action.pattern}", f"entity:{action.entity}")
        if self._orders.get("pause/loop") != "running" or any(
            self._orders.get(f"pause/{target}") == "paused" for target in targets
        ):
            return "paused"
        return None

    def _follow(self) -> None:
        log = self._group.log
        for offset, event in read_events(log, Outcome.TOPIC, 0, self._next_outcome):
            self._next_outcome = offset + 1
            if isinstance(event, Outcome) and event.group == self._group.name:
                if event.state == "claimed":
                    self._winners.setdefault(event.action, event)
                else:
                    self._ended.add(event.action)
        for offset, event in read_events(log, Control.TOPIC, 0, self._next_control):
            self._next_control = offset + 1
            if isinstance(event, Control):
                self._orders[event.key()] = event.value

    def _claim_id(self, action: str) -> str:
        return derive(self._group.loop, action, self._group.name, "claim", self.name, self._life)

    def _write(
        self,
        action: str,
        entity: str,
        state: Literal["claimed", "succeeded", "failed", "refused", "unknown"],
        now_us: int,
        *,
        detail: str = "",
        cause: Cause | None = None,
    ) -> None:
        claimed = state == "claimed"
        end_id = derive(self._group.loop, action, self._group.name, self.name, "end", state)
        started_us = self._running[action][1] if action in self._running else None
        self._group.publish(
            Outcome(
                id=self._claim_id(action) if claimed else end_id,
                time_us=now_us,
                causes=() if cause is None else (str(cause),),
                action=action,
                entity=entity,
                group=self._group.name,
                executor=self.name,
                state=state,
                started_us=started_us,
                ended_us=None if claimed else now_us,
                detail=detail,
            )
        )

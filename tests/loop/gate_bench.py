"""A gate on a bench: events in, time by hand."""

from collections.abc import Callable

import msgspec

from schemas.events import (
    Action,
    Approval,
    Census,
    Check,
    Control,
    Episode,
    Event,
    Experience,
    Outcome,
    Proposal,
    Verdict,
)
from schemas.ids import Cause, derive
from streams.loop.actions import ActionSettings
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.processor import STOPPED_HERE_US, Now, Record

SECOND = 1_000_000
HOUR = 3_600 * SECOND
START = 1_700_000_000 * SECOND
ACTIONS = {
    "restart": ActionSettings(name="restart", limit="5/hour", parameters={"grace": "1s"}),
    "failover": ActionSettings(name="failover", wait_us=60 * SECOND),
    "wipe": ActionSettings(name="wipe", risk="high"),
}


ACT = LevelSettings(default="act", novel="act")


class Bench:
    """Feeds events one offset after the other, at `us`; `control` is heard at that time unless silenced."""

    def __init__(
        self,
        *,
        settings: GateSettings | None = None,
        levels: LevelSettings | None = None,
        actions: dict[str, ActionSettings] | None = None,
    ) -> None:
        self.hash = "hash-of-own-settings"
        self.gate = Gate(
            settings or GateSettings(),
            loop="lab",
            settings_hash=self.hash,
            actions=ACTIONS if actions is None else actions,
            levels=levels,
        )
        self.us = START
        self.stopped_here = False
        self._silent_us = 0
        self._offset = 0

    def start(self) -> None:
        """Let the loop run, with an open episode for each of ten entities."""
        self.give(control("settings", "loop", self.hash), control("pause", "loop", "running"))
        self.give(*(opened(f"e{n}") for n in range(10)))

    def silence(self, duration_us: int) -> None:
        """From now on, `control` was last heard this long ago."""
        self._silent_us = duration_us

    def give(self, *events: Event) -> list[Event]:
        """Fold events in one batch."""
        records = []
        for event in events:
            records.append(Record(Cause("test", 0, self._offset), event))
            self._offset += 1
        return self.gate.on_batch(records, self._now())

    def tick(self) -> list[Event]:
        """Fire due timers."""
        return self.gate.on_time(self._now())

    def _now(self) -> Now:
        return Now(self.us, STOPPED_HERE_US if self.stopped_here else self.us - self._silent_us)


def proposal(name: str, **fields: object) -> Proposal:
    """Return a proposal to restart e0 in its episode, made at START."""
    values: dict[str, object] = {
        "id": name,
        "time_us": START,
        "entity": "e0",
        "episode": "episode-e0",
        "pattern": "p-1",
        "action": "restart",
        "propensity": 0.5,
        "probabilities": {"restart": 0.5, "none": 0.5},
        "expires_us": START + 24 * HOUR,
        "model": "m-1",
    }
    return msgspec.convert(values | fields, Proposal)


def opened(entity: str, group: str = "") -> Episode:
    return msgspec.structs.replace(_episode(entity, "opened"), group=group)


def closed(entity: str) -> Episode:
    return _episode(entity, "closed")


def _episode(entity: str, phase: str) -> Episode:
    values = {
        "id": derive("episode", entity, phase),
        "time_us": START,
        "episode": f"episode-{entity}",
        "entity": entity,
        "phase": phase,
        "opened_us": START,
        "windows": 1,
        "severity": 5.0,
        "confidence": 0.9,
    }
    return msgspec.convert(values, Episode)


def census(*, abnormal: int, live: int, time_us: int = START) -> Census:
    return Census(
        id=derive("census", abnormal, live, time_us),
        time_us=time_us,
        partition=0,
        group="",
        live=live,
        abnormal=abnormal,
    )


def control(kind: str, target: str, value: str) -> Control:
    values = {
        "id": derive(kind, target, value),
        "time_us": START,
        "kind": kind,
        "target": target,
        "value": value,
        "by": "ada",
    }
    return msgspec.convert(values, Control)


def outcome(action: Action, state: str, *, executor: str = "x-1") -> Outcome:
    values = {
        "id": derive("outcome", action.id, executor, state),
        "time_us": START,
        "action": action.id,
        "entity": action.entity,
        "group": "default",
        "executor": executor,
        "state": state,
    }
    return msgspec.convert(values, Outcome)


def approval(asked: Verdict, *, time_us: int, person: str) -> Approval:
    """Return a person's yes to what was asked, good for a minute."""
    assert asked.final is not None
    return Approval(
        id=derive("approval", asked.proposal.id),
        time_us=time_us,
        proposal=asked.proposal.id,
        proposal_hash=asked.proposal.digest(),
        action_hash=asked.final.digest(),
        decision="approve",
        person=person,
        not_after_us=time_us + 60 * SECOND,
    )


def experience(verdict: Verdict, *, reward: float | None, time_us: int, state: str = "observed") -> Experience:
    """Return what is told of what became of a proposal."""
    one = verdict.proposal
    values = {
        "id": derive("experience", one.id, state),
        "time_us": time_us,
        "proposal": one.id,
        "entity": one.entity,
        "episode": one.episode,
        "pattern": one.pattern,
        "arm": one.hold_out.arm if one.hold_out else "loop",
        "state": state,
        "proposed": one.action,
        "effective": one.action if verdict.verdict == "allow" else "none",
        "effective_probability": one.propensity,
        "verdict": verdict.verdict,
        "reward": reward,
        "cost": ActionSettings(name=one.action).cost if verdict.verdict == "allow" and one.action != "none" else 0.0,
        "action": verdict.action,
        "decided_us": verdict.time_us,
    }
    return msgspec.convert(values, Experience)


def verdicts(events: list[Event]) -> list[Verdict]:
    """Return the verdicts among some outputs."""
    return [event for event in events if isinstance(event, Verdict)]


def actions(events: list[Event]) -> list[Action]:
    """Return the actions among some outputs."""
    return [event for event in events if isinstance(event, Action)]


def untouched(bench: Bench) -> None:
    """Arrange nothing."""
    del bench


Arrange = Callable[[Bench], object]
"""What happens to a gate before it is asked."""


def ready(**settings: object) -> Bench:
    """Return a gate that runs, with one open episode per entity e0 to e9."""
    bench = Bench(settings=GateSettings(**settings), levels=ACT)  # type: ignore[arg-type]
    bench.start()
    return bench


def check_of(verdict: Verdict, name: str) -> Check:
    return next(check for check in verdict.checks if check.name == name)


def spent_of(verdict: Verdict, name: str) -> tuple[int | None, int | None]:
    check = check_of(verdict, name)
    return check.spent, check.allowed


def spend(bench: Bench, count: int, **fields: str) -> None:
    """Let through `count` actions on other entities, each ended well and cooled down."""
    for n in range(count):
        entity = fields.get("entity", f"e{n + 1}")
        before = proposal(f"before-{n}", entity=entity, episode=f"episode-{entity}", time_us=bench.us)
        allowed = actions(bench.give(before))
        assert len(allowed) == 1
        bench.give(outcome(allowed[0], "succeeded"))
        bench.us += 20 * SECOND


def fail(bench: Bench, count: int) -> None:
    for n in range(count):
        allowed = actions(bench.give(proposal(f"bad-{n}", entity=f"e{n + 1}", episode=f"episode-e{n + 1}")))
        bench.give(outcome(allowed[0], "failed"))
        bench.us += SECOND

"""Events about one decision, with what a test does not care about filled in."""

from typing import Any

from schemas.events import (
    Blocked,
    Episode,
    Event,
    Experience,
    HoldOut,
    Measurement,
    MetricSignature,
    Outcome,
    Proposal,
    Recurrence,
    Verdict,
)
from schemas.ids import Cause, derive
from streams.loop.actions import ActionSettings
from streams.loop.processor import Now, Record

S = 1_000_000
START = 1_700_000_000 * S
SHARES = {"loop": 0.6, "baseline": 0.2, "none": 0.2}
ACTIONS = {name: ActionSettings(name=name, cost=0.1) for name in ("restart", "recycle", "shed")}


def at(seconds: float) -> Now:
    us = START + int(seconds * S)
    return Now(us, us)


def recorded(*events: Event, first: int = 0, topic: str | None = None) -> list[Record]:
    return [Record(Cause(topic or type(event).TOPIC, 0, first + n), event) for n, event in enumerate(events)]


def recurrence(episode: str = "e1", entity: str = "web-1", pattern: str = "p-1", **fields: Any) -> Recurrence:
    given = {
        "id": derive("recurrence", episode),
        "time_us": START,
        "entity": entity,
        "episode": episode,
        "pattern": pattern,
        "candidate": pattern,
        "support": 5,
        "distance": 0.1,
        "novelty": 0.1,
        "severity": 6.0,
        "signature": {"cpu": MetricSignature(mean=5.0, peak=8.0, trend=0.3)},
    }
    return Recurrence(**(given | fields))


def proposal(action: str = "restart", episode: str = "e1", entity: str = "web-1", **fields: Any) -> Proposal:
    given = {
        "id": derive("proposal", episode, entity),
        "time_us": START,
        "entity": entity,
        "episode": episode,
        "pattern": "p-1",
        "action": action,
        "propensity": 0.4,
        "probabilities": {action: 1.0},
        "expires_us": START + 15 * S,
        "model": "ridge/0",
        "features": {"severity": 0.5, "strength": 0.4, "trend": 0.1},
        "hold_out": HoldOut(draw=0.1, arm="loop", shares=SHARES),
    }
    return Proposal(**(given | fields))


def verdict(of: Proposal, answer: str = "allow", seconds: float = 0.0, **fields: Any) -> Verdict:
    given = {
        "id": derive("verdict", of.id, answer, seconds),
        "time_us": START + int(seconds * S),
        "proposal": of,
        "verdict": answer,
        "level": "act",
        "checks": (),
        "settings_hash": "h",
        "action": f"action-of-{of.id}" if answer == "allow" and of.action != "none" else None,
    }
    return Verdict(**(given | fields))


def outcome(of: Verdict, state: str, seconds: float, **fields: Any) -> Outcome:
    given = {
        "id": derive("outcome", of.id, state),
        "time_us": START + int(seconds * S),
        "action": of.action or "",
        "entity": of.proposal.entity,
        "group": "lab",
        "executor": "executor-1",
        "state": state,
        "started_us": START + int(seconds * S),
        "ended_us": None if state == "claimed" else START + int(seconds * S),
    }
    return Outcome(**(given | fields))


def measurement(second: float, *, abnormal: bool, entity: str = "web-1", **fields: Any) -> Measurement:
    start_us = START + int(second * S)
    given = {
        "id": derive("measurement", entity, start_us),
        "time_us": start_us + S,
        "entity": entity,
        "episode": "e1",
        "start_us": start_us,
        "end_us": start_us + S,
        "samples": 2,
        "abnormal": abnormal,
        "score": 4.0 if abnormal else 0.5,
        "values": {"availability": 0.5 if abnormal else 1.0},
    }
    return Measurement(**(given | fields))


def measured(text: str, *, entity: str = "web-1", first: int = 0) -> list[Measurement]:
    """One window per second: `x` abnormal, `.` normal, a blank is missing."""
    return [
        measurement(first + n, abnormal=letter == "x", entity=entity) for n, letter in enumerate(text) if letter != " "
    ]


def onset(episode: str = "e1", entity: str = "web-1", **shares: float) -> Episode:
    """Return what an onset says of the metrics that made the episode."""
    return Episode(
        id=derive("onset", episode),
        time_us=START,
        episode=episode,
        entity=entity,
        phase="onset",
        opened_us=START - 5 * S,
        windows=4,
        severity=6.0,
        confidence=0.9,
        shares=shares,
    )


def closed(seconds: float, episode: str = "e1", entity: str = "web-1") -> Episode:
    return Episode(
        id=derive("closed", episode),
        time_us=START + int(seconds * S),
        episode=episode,
        entity=entity,
        phase="closed",
        opened_us=START - 5 * S,
        windows=10,
        severity=6.0,
        confidence=0.9,
        closed_us=START + int(seconds * S),
    )


def blocked(number: int = 0, **until_s: float) -> Blocked:
    """`action__restart=5` blocks `action:restart` until second 5; 0 is an unknown end, -1 says that it is free."""
    until_us = {
        scope.replace("__", ":"): START + int(seconds * S) if seconds else 0 for scope, seconds in until_s.items()
    }
    return Blocked(id=derive("blocked", number), time_us=START, until_us=until_us)


def experience(of: Proposal, state: str = "observed", reward: float | None = 0.5, **fields: Any) -> Experience:
    given = {
        "id": derive("experience", of.id, state),
        "time_us": START + 20 * S,
        "proposal": of.id,
        "entity": of.entity,
        "episode": of.episode,
        "pattern": of.pattern,
        "arm": of.hold_out.arm if of.hold_out else "loop",
        "state": state,
        "proposed": of.action,
        "effective": of.action,
        "effective_probability": of.propensity,
        "verdict": "allow",
        "reward": reward,
        "features": of.features,
    }
    return Experience(**(given | fields))

"""One event of every type, every field filled: what the golden files hold. `python -m tests.golden.samples` adds files
for new types; it never changes a file that is there (those bytes lie in somebody's log).
"""

import base64
import json
from pathlib import Path

import msgspec
import pyarrow as pa

from schemas import wire
from schemas.arrow import TIME_TYPE, to_stream
from schemas.events import (
    EVENT_TYPES,
    Action,
    Approval,
    AuditEntry,
    Blocked,
    Census,
    Check,
    Control,
    DeadLetter,
    Drift,
    Episode,
    Event,
    Experience,
    FinalAction,
    HoldOut,
    InputRange,
    JournalEntry,
    LedgerEntry,
    LevelChange,
    Loss,
    Measurement,
    MetricSignature,
    Model,
    Outcome,
    Overflow,
    Pattern,
    Presence,
    Promotion,
    Proposal,
    Recurrence,
    Sequence,
    SnapshotChunk,
    SnapshotManifest,
    Storm,
    StormMember,
    TelemetryFrame,
    Verdict,
    Why,
)
from schemas.raw import Message

FOLDER = Path(__file__).parent / "wire"
LOOP = "lab"
T = 1_790_000_000_000_000
BASE = {"id": "0123456789abcdef0123456789abcdef", "time_us": T, "causes": ("telemetry/0/17", "policy/0/3")}
SIGNATURE = {
    "cpu": MetricSignature(mean=1.5, peak=-3.25, trend=0.1),
    "ünï": MetricSignature(mean=0, peak=1e-9, trend=2),
}
STREAM = to_stream(pa.table({"entity": ["a"], "time": pa.array([T], TIME_TYPE), "cpu": [0.5]}))
PROPOSAL = Proposal(
    **BASE,  # type: ignore[arg-type]
    entity="web-1",
    episode="e1",
    pattern="P1",
    action="restart",
    propensity=0.48,
    probabilities={"restart": 0.8, "none": 0.2},
    expires_us=T + 1,
    model="bandit/7",
    features={"severity": 2.5},
    blocked=("action:recycle",),
    hold_out=HoldOut(draw=0.25, arm="loop", shares={"loop": 0.6, "baseline": 0.2, "none": 0.2}),
    parameters={"grace": "1s"},
    group="web",
    by="ann",
)
SAMPLES: list[Event] = [
    cls(**BASE, **members)  # type: ignore[arg-type]
    for cls, members in (
        (TelemetryFrame, {"partition": 2, "stream": STREAM}),
        (
            Episode,
            {
                "episode": "e1",
                "entity": "web-1",
                "phase": "onset",
                "opened_us": T - 5,
                "windows": 4,
                "severity": 3.5,
                "confidence": 0.875,
                "group": "web",
                "shares": {"mem": 0.25, "cpu": 0.75},
                "signature": SIGNATURE,
                "tokens": ("restart",),
                "state": {"load": 1.0},
                "closed_us": T,
            },
        ),
        (
            Measurement,
            {
                "entity": "web-1",
                "episode": "e1",
                "start_us": T - 10,
                "end_us": T,
                "samples": 20,
                "abnormal": True,
                "score": 0.5,
                "values": {"cpu": 0.1},
            },
        ),
        (Census, {"partition": 0, "group": "web", "live": 12, "abnormal": 2}),
        (Drift, {"subject": "scores", "before": 0.25, "after": 0.5}),
        (
            Overflow,
            {"partition": 0, "limit": "entity_limit", "rows": 90, "names": 3, "examples": ("pod-1", "pod-2", "pod-3")},
        ),
        (Loss, {"source": "telemetry", "partition": 1, "start": 5, "stop": 9}),
        (
            Pattern,
            {
                "pattern": "P1",
                "name": "cpu high",
                "status": "recurring",
                "support": 3,
                "signature": SIGNATURE,
                "first_us": 1,
                "last_us": T,
                "episodes": ("e1", "e2"),
                "alias_of": "P0",
                "period_us": 60,
                "next_us": T + 60,
                "duration_us": 7,
            },
        ),
        (
            Recurrence,
            {
                "entity": "web-1",
                "episode": "e1",
                "pattern": "P1",
                "candidate": "P1",
                "support": 3,
                "distance": 0.125,
                "novelty": 0.1,
                "severity": 2.5,
                "group": "web",
                "opened_us": T,
                "signature": SIGNATURE,
                "state": {"load": 1.0},
            },
        ),
        (
            Storm,
            {
                "storm": "s1",
                "phase": "open",
                "opened_us": T - 5,
                "size": 3,
                "calls": "declared",
                "members": (
                    StormMember(entity="db-1", episode="e2", share=0.75, behind="db-1", opened_us=T - 4, severity=3.25),
                    StormMember(
                        entity="web-1",
                        episode="e1",
                        share=0.25,
                        behind="db-1",
                        opened_us=T - 5,
                        severity=3.5,
                        actionable=False,
                    ),
                ),
            },
        ),
        (
            Sequence,
            {
                "sequence": "s-1",
                "name": "cpu up, then elsewhere in the group memory up",
                "status": "recurring",
                "first": "P1",
                "second": "P2",
                "relation": "other",
                "within_us": 75,
                "lag_us": 40,
                "support": 9,
                "expected": 0.5,
            },
        ),
        (
            Verdict,
            {
                "proposal": PROPOSAL,
                "verdict": "deny",
                "level": "act",
                "checks": (
                    Check(
                        name="budget",
                        passed=False,
                        detail="3 of 3",
                        limit="3/hour",
                        spent=3,
                        allowed=3,
                        next_us=T + 9,
                        remedy="raise it",
                    ),
                    Check(name="pause", passed=True),
                ),
                "settings_hash": "h",
                "decided_by": "budget",
                "action": "a1",
                "retry_after_us": T + 9,
                "approval": "ap1",
            },
        ),
        (Blocked, {"until_us": {"action:restart": T + 9, "loop": 0}}),
        (
            LevelChange,
            {
                "pattern": "P1",
                "action": "restart",
                "level": "act",
                "was": "approve",
                "start": "suggest",
                "reason": "earned",
                "detail": "why",
                "earned": "act",
                "decided": 3,
                "outcomes": 40,
                "missing": 2,
                "reward": 0.625,
                "effect": 0.375,
                "effect_low": 0.125,
                "effect_high": 0.5,
                "compared": "none",
                "until_us": T + 9,
                "proposal": "p1",
                "episode": "e1",
            },
        ),
        (
            Action,
            {
                "entity": "web-1",
                "action": "restart",
                "proposal": "p1",
                "episode": "e1",
                "pattern": "P1",
                "issued_us": T,
                "expires_us": T + 9,
                "settings_hash": "h",
                "parameters": {"grace": "1s"},
                "dry_run": True,
                "approvals": ("ap1",),
            },
        ),
        (
            Outcome,
            {
                "action": "a1",
                "entity": "web-1",
                "group": "ops",
                "executor": "x1",
                "state": "succeeded",
                "started_us": T,
                "ended_us": T + 5,
                "detail": "done",
            },
        ),
        (
            Approval,
            {
                "proposal": "p1",
                "proposal_hash": "h",
                "decision": "approve",
                "person": "ann",
                "not_after_us": T + 9,
                "reason": "fine",
            },
        ),
        (
            Control,
            {"kind": "pause", "target": "loop", "value": "paused", "by": "ann", "reason": "deploy", "until_us": T + 9},
        ),
        (
            Experience,
            {
                "proposal": "p1",
                "entity": "web-1",
                "episode": "e1",
                "pattern": "P1",
                "arm": "loop",
                "state": "late",
                "proposed": "restart",
                "effective": "none",
                "effective_probability": 0.5,
                "verdict": "allow",
                "reward": 0.75,
                "retracted_reward": 0.25,
                "cost": 0.1,
                "action": "a1",
                "outcome": "succeeded",
                "decided_us": T,
                "recovery_us": 9,
                "recovered": True,
                "availability": 0.99,
                "features": {"severity": 2.5},
            },
        ),
        (
            Promotion,
            {
                "component": "policy",
                "version": "7",
                "decision": "promote",
                "trained_up_to": ("experience/0/9",),
                "model": b"\x00\xff",
            },
        ),
        (Model, {"component": "policy", "version": "7", "model": b"\x00\xff"}),
        (
            AuditEntry,
            {
                "sequence": 1,
                "subject": "p1",
                "kind": "verdict",
                "facts": {"b": "2", "a": "1"},
                "previous": "0",
                "hash": "1",
            },
        ),
        (
            LedgerEntry,
            {
                "arm": "loop",
                "decisions": 9,
                "observed": 8,
                "reward_mean": 0.5,
                "reward_low": 0.25,
                "reward_high": 0.75,
                "recovery_s_mean": 3.5,
                "recovery_s_low": 3.0,
                "recovery_s_high": 4.0,
                "availability_mean": 0.99,
                "availability_low": 0.98,
                "availability_high": 1.0,
                "cost": 0.5,
            },
        ),
        (
            Presence,
            {
                "instance": "gate/0",
                "role": "gate",
                "version": "0.1.0",
                "pid": 7,
                "host": "h",
                "state": "running",
                "control_heard_us": T,
                "control_offset": 3,
                "partitions": (0, 1),
                "step": 9,
                "lag": 1,
                "in_flight": ("a1",),
                "settings_hash": "h",
            },
        ),
        (
            JournalEntry,
            {
                "role": "gate",
                "partition": 0,
                "step": 9,
                "control_heard_us": T,
                "inputs": (InputRange(topic="policy", partition=0, start=3, stop=4),),
                "lost": (InputRange(topic="policy", partition=0, start=1, stop=3),),
                "outputs": 2,
                "digest": "d",
                "code": "c",
                "settings_hash": "h",
                "instance": "gate/0",
                "checksum": 305419896,
            },
        ),
        (SnapshotChunk, {"slot": 1, "partition": 0, "number": 2, "data": b"\x00\xff"}),
        (
            SnapshotManifest,
            {
                "slot": 1,
                "partition": 0,
                "chunks": 3,
                "digest": "d",
                "step": 9,
                "journal_offset": 12,
                "next_offsets": (InputRange(topic="policy", partition=0, start=4, stop=4),),
                "code": "c",
                "state_settings": "s",
            },
        ),
        (
            DeadLetter,
            {
                "origin_topic": "telemetry",
                "origin_partition": 1,
                "origin_offset": 17,
                "reason": "broken-json",
                "detail": "at byte 3",
                "role": "detect",
                "row": 2,
                "original_key": b"k",
                "original_value": b"\xff{",
                "original_headers": (("h", b"v"), ("n", None)),
            },
        ),
    )
]
SAMPLES.append(PROPOSAL)
BY_TYPE = {type(event): event for event in SAMPLES}
_with = msgspec.structs.replace
LATER: dict[str, Event] = {
    "flyball.proposal.v1+reason": _with(PROPOSAL, by="ann", reason="it hangs"),
    "flyball.proposal.v1+why": _with(
        PROPOSAL,
        why=Why(
            mode="explored",
            runner_up="scale-up",
            expected=0.5,
            runner_up_expected=0.625,
            spread=0.25,
            parts={"severity": -0.25, "pattern": 0.125},
        ),
    ),
    "flyball.proposal.v1+asked": _with(PROPOSAL, by="loop", asked=True, probabilities={"ask": 0.8, "none": 0.2}),
    "flyball.proposal.v1+wanted": _with(
        PROPOSAL, by="loop", wanted="recycle", blocked=("level:recycle", "level:shed", "refused:drain")
    ),
    "flyball.presence.v1+why": _with(BY_TYPE[Presence], state="paused", why="stop file var/STOP"),
    "flyball.approval.v1+action_hash": _with(BY_TYPE[Approval], action_hash="h2"),
    "flyball.approval.v1+signature": _with(BY_TYPE[Approval], action_hash="h2", signature="U1NIU0lH"),
    "flyball.verdict.v1+approvals": _with(BY_TYPE[Verdict], approvals=("ap1", "ap2")),
    "flyball.verdict.v1+final": _with(
        BY_TYPE[Verdict],
        final=FinalAction(
            proposal="p1",
            entity="web-1",
            action="restart",
            episode="e1",
            pattern="P1",
            settings_hash="h",
            parameters={"grace": "1s"},
            dry_run=True,
        ),
    ),
    "flyball.verdict.v1+dry_run": _with(BY_TYPE[Verdict], verdict="allow", dry_run=True),
    "flyball.verdict.v1+held_back": _with(
        BY_TYPE[Verdict], verdict="shadow", decided_by="level", level="suggest", held_back=("recycle", "shed")
    ),
    "flyball.blocked.v1+whole": _with(BY_TYPE[Blocked], whole=True),
    "flyball.blocked.v1+breakers": _with(BY_TYPE[Blocked], breakers={"action:restart": T - 9, "loop": T}),
    "flyball.blocked.v1+left": _with(
        BY_TYPE[Blocked],
        left={"web-1": Check(name="attempts", passed=False, limit="3/day", spent=3, allowed=3, next_us=T)},
    ),
    "flyball.action.v1+answers": _with(BY_TYPE[Action], answers=(BY_TYPE[Approval],)),
    "flyball.measurement.v1+group": _with(BY_TYPE[Measurement], episode="", group="web"),
    "flyball.experience.v1+by": _with(BY_TYPE[Experience], by="ann"),
    "flyball.experience.v1+signal": _with(BY_TYPE[Experience], state="early", signal=0.25),
    "flyball.experience.v1+asked": _with(BY_TYPE[Experience], by="loop", asked=True),
    "flyball.experience.v1+look_cost": _with(BY_TYPE[Experience], by="loop", asked=True, look_cost=0.0625),
    "flyball.experience.v1+unasked_reward": _with(
        BY_TYPE[Experience], by="loop", asked=True, look_cost=0.0625, unasked_reward=0.75
    ),
    "flyball.level.v1+remedy": _with(BY_TYPE[LevelChange], level="suggest", reason="slow", remedy="what would help"),
    "flyball.ledger.v1+value": _with(BY_TYPE[LedgerEntry], value=4.0),
    "flyball.ledger.v1+answers": _with(BY_TYPE[LedgerEntry], answers=3),
    "flyball.ledger.v1+minutes": _with(BY_TYPE[LedgerEntry], minutes=6.0),
    "flyball.pattern.v1+split_from": Pattern(
        **BASE,  # type: ignore[arg-type]
        pattern="P2",
        name="cpu up, then memory up",
        status="recurring",
        support=3,
        signature={"cpu": MetricSignature(mean=1.5, peak=3.25, trend=0.5, series=(0.5, 1.0, 1.25, 3.25))},
        first_us=1,
        last_us=T,
        split_from="P1",
    ),
    "flyball.drift.v1+partition": Drift(
        **BASE,  # type: ignore[arg-type]
        subject="inputs/cpu",
        before=0.25,
        after=0.5,
        partition=0,
    ),
    "flyball.storm.v1+alias_of": Storm(
        **BASE,  # type: ignore[arg-type]
        storm="s2",
        phase="closed",
        opened_us=T - 5,
        size=1,
        calls="declared",
        members=(StormMember(entity="db-1", episode="e2", share=1.0, behind="db-1", opened_us=T - 4, severity=3.25),),
        alias_of="s1",
    ),
}
"""Members that were added to a type after its first file was written, by the name of a file of their own."""


def topic_of(event: Event) -> str | None:
    """Return the topic to write to where the type has more than one."""
    return {JournalEntry: "journal-gate", SnapshotChunk: "state-gate", SnapshotManifest: "state-gate"}.get(type(event))


def message(event: Event) -> Message:
    """Return the record of an event."""
    return wire.encode(event, loop=LOOP, topic=topic_of(event))


def text(record: Message) -> str:
    """Return a record as a golden file: JSON values as they are, other bytes in base64."""
    value = record.value or b""
    is_json = dict(record.headers)["content-type"] == wire.JSON_TYPE
    document = {
        "topic": record.topic,
        "partition": record.partition,
        "key": (record.key or b"").decode(),
        "headers": [[name, (header or b"").decode()] for name, header in record.headers],
        "value" if is_json else "value_base64": value.decode() if is_json else base64.b64encode(value).decode(),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def value_in(document: dict[str, str]) -> bytes:
    """Return the value that a golden file holds."""
    return document["value"].encode() if "value" in document else base64.b64decode(document["value_base64"])


if __name__ == "__main__":
    assert {type(event) for event in SAMPLES} == set(EVENT_TYPES.values())
    for name, sample in {**{event.TYPE: event for event in SAMPLES}, **LATER}.items():
        path = FOLDER / f"{name}.json"
        if not path.exists():
            path.write_text(text(message(sample)))

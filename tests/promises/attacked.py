"""A site that is attacked: a loop's keys, its gate, and people of all kinds."""

import random
from collections import Counter
from pathlib import Path

import msgspec

from schemas import wire
from schemas.events import NOVEL, Approval, Control, DeadLetter, Event, Proposal, Verdict
from schemas.keyfiles import create_keys, load_trust, revoke_key
from schemas.raw import Message, RawBatch
from schemas.signing import Audience
from streams.app import make_decoded_role
from streams.loop.gate.orders import HEARD_MAX
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.settings import parse
from tests.schemas.people import Person

START = 1_700_000_000_000_000
SECOND = 1_000_000
HERE = Audience(cluster="c1", loop="lab")
ELSEWHERE = (Audience(cluster="c2", loop="lab"), Audience(cluster="c1", loop="fleet"))
SETTINGS = parse(
    """
    [loop]
    name = "lab"
    [gate]
    loop_limit = "10000/minute"
    pattern_limit = "10000/minute"
    entity_attempts = "10000/minute"
    escalation_limit = "10000/minute"
    explore_limit = "10000/minute"
    concurrency = 1_000_000
    blast_count = 1_000_000
    failed_least = 1_000_000
    [levels]
    default = "approve"
    novel = "approve"
    [actions.restart]
    limit = "10000/minute"
    [actions.wipe]
    limit = "10000/minute"
    approvals = 2
    """,
    name="loop.toml",
)
CHOSEN_BY = "gus"
"""Who activated the settings."""


TAKEN_BACK = [
    # kind, target and value of an order, and kind and value of a later one that takes it back
    ("pause", "loop", "running", "pause", "paused"),
    ("pause", "entity:e1", "running", "pause", "paused"),
    ("rearm", "loop", "", "stop", ""),
    ("rearm", "action:restart", "", "stop", ""),
    ("level", "p-1/restart", "act", "level", "observe"),
    ("settings", "loop", SETTINGS.settings_hash, "settings", "other"),
]


class Site:
    """A loop's keys, its gate, and people: honest ones, and one whose key was withdrawn."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.keys = folder / "keys"
        create_keys(self.keys)
        self.draw = random.Random(seed)
        self.honest = [Person(name) for name in ("ada", "bob", "cleo")]
        self.operator, self.chooser, self.withdrawn = Person("dan"), Person(CHOSEN_BY), Person("fred")
        for person in (*self.honest, self.chooser, self.withdrawn):
            person.join(self.keys, "approver", "operator")
        self.operator.join(self.keys, "operator")
        revoke_key(self.keys, "fred")
        self.stranger = Person("eve")
        self.trust = load_trust(self.keys)
        self.role: Role = make_decoded_role(SETTINGS, role="gate", partition=0, trust=self.trust, audience=HERE)
        self.us = START
        self.offsets: Counter[str] = Counter()
        for kind, value in (("settings", SETTINGS.settings_hash), ("pause", "running")):
            order = Control(id=kind, time_us=START, kind=kind, target="loop", value=value, by=CHOSEN_BY)  # type: ignore[arg-type]
            assert not letters(self.give(self.chooser.signer("control", HERE).sign(wire.encode(order, loop="lab"))))

    def give(self, message: Message) -> list[Event]:
        """Let the gate read one record."""
        offset = self.offsets[message.topic]
        self.offsets[message.topic] += 1
        batch = RawBatch(
            topic=message.topic,
            partition=0,
            offsets=[offset],
            keys=[message.key],
            values=[message.value],
            headers=[message.headers],
        )
        return self.role.fold([batch], Now(self.us, self.us))

    def forget(self) -> None:
        """Let so many records come that no id of before is remembered: anybody can write a keyring again and again."""
        text = (self.keys / "keyring.json").read_text()
        for number in range(HEARD_MAX):
            keyring = Control(
                id=f"k-{self.us}-{number}", time_us=0, kind="keyring", target="loop", value=text, by="eve"
            )
            assert letters(self.give(wire.encode(keyring, loop="lab"))) == []
        state = msgspec.msgpack.decode(self.role.snapshot())
        self.role.restore(msgspec.msgpack.encode(state | {"seen": []}))

    def overtaken(self) -> list[Message]:
        """Give orders that free the loop, and later ones that bind it; return the first."""
        free = [self.ordered(kind, target, value) for kind, target, value, *_ in TAKEN_BACK]
        bind = [self.ordered(kind, target, value) for _, target, _, kind, value in TAKEN_BACK]
        for message in (*free, *bind):
            assert letters(self.give(message)) == []
        return free

    def ordered(self, kind: str, target: str, value: str) -> Message:
        """Return an order that somebody gives now."""
        self.us += SECOND
        name = f"{kind}-{target}-{self.us}"
        order = Control(id=name, time_us=self.us, kind=kind, target=target, value=value, by=CHOSEN_BY)  # type: ignore[arg-type]
        return self.chooser.signer("control", HERE).sign(wire.encode(order, loop="lab"))

    def asked(self, number: int, action: str) -> Verdict:
        """Let the loop propose an action, which a person must approve; return the question."""
        self.us += SECOND
        proposal = Proposal(
            id=f"p{number}",
            time_us=self.us,
            entity=f"e{number}",
            episode="",
            pattern=NOVEL,
            action=action,
            propensity=1.0,
            probabilities={action: 1.0},
            expires_us=self.us + 60 * SECOND,
            model="m",
        )
        verdicts = [one for one in self.give(wire.encode(proposal, loop="lab")) if isinstance(one, Verdict)]
        (verdict,) = [one for one in verdicts if one.proposal == proposal]  # others are too old to be remembered
        assert verdict.verdict == "escalate"
        return verdict

    def answer(self, verdict: Verdict, person: Person, /, *, audience: Audience = HERE, **fields: object) -> Approval:
        assert verdict.final is not None
        values: dict[str, object] = {
            "id": f"{person.name}-{verdict.proposal.id}",
            "time_us": self.us,
            "proposal": verdict.proposal.id,
            "proposal_hash": verdict.proposal.digest(),
            "action_hash": verdict.final.digest(),
            "decision": "approve",
            "person": person.name,
            "not_after_us": self.us + 60 * SECOND,
        }
        return person.signed(msgspec.convert(values | fields, Approval), audience)


def letters(outputs: list[Event]) -> list[str]:
    return [event.reason for event in outputs if isinstance(event, DeadLetter)]


def sent(approval: Approval) -> list[Message]:
    return [wire.encode(approval, loop="lab")]


def changed(approval: Approval, **fields: object) -> list[Message]:
    return sent(msgspec.structs.replace(approval, **fields))

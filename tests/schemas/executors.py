"""A gate and a person, as far as an executor sees them: they sign actions and orders onto a real Kafka."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from schemas import kafka, wire
from schemas.client import ActionConsumer
from schemas.client.tail import Tail
from schemas.connection import KafkaConnection
from schemas.events import Action, Control, Event, Outcome
from schemas.keyfiles import create_keys, load_signer, load_trust
from schemas.keyring import Trust
from schemas.raw import Message
from schemas.signing import Audience, Signer
from tests.patience import PATIENCE_S
from tests.schemas.people import Person

SECOND_US = 1_000_000
VALID_US = int(2 * PATIENCE_S) * SECOND_US
"""How long an action is valid: longer than anybody waits for its end."""


def now_us() -> int:
    return time.time_ns() // 1000


def refusal(site: "Site", consumer: ActionConsumer, action: str) -> str:
    """Poll until an action is refused, and return why; fails when any action is handed over."""
    deadline = time.monotonic() + PATIENCE_S
    while not site.details(action):
        assert time.monotonic() < deadline, f"expected {action} to be refused"
        assert consumer.poll(0.1) is None
    assert site.outcomes(action)[-1] == "refused"
    return site.details(action)[-1]


def next_is(consumer: ActionConsumer, action: str) -> Action:
    """Return the next action handed over; fails when it is another one."""
    got = consumer.poll(PATIENCE_S)
    assert got is not None
    assert got.id == action
    return got


class Overtaken(ActionConsumer):
    """An executor to which something happens between its look at an action and its answer."""

    def __init__(self, *args: Any, meanwhile: Callable[[Action], None], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._meanwhile = meanwhile

    def why_not(self, action: Action) -> str | None:
        self._meanwhile(action)
        return super().why_not(action)


class Site:
    """One loop on one cluster with its keys: writes as gate and as person, makes executors, reads topics back."""

    def __init__(self, connection: KafkaConnection, cluster: str, loop: str, folder: Path) -> None:
        self.connection = connection
        self.loop = loop
        self.folder = folder
        self.audience = Audience(cluster=cluster, loop=loop)
        self.keys = folder / "keys"
        create_keys(self.keys)
        self._producer = kafka.make_producer(connection, linger_ms=0)
        self._count = 0

    def send(self, message: Message) -> None:
        kafka.produce(self._producer, message, loop=self.loop)
        assert self._producer.flush(PATIENCE_S) == 0

    def by(self) -> str:
        """Return in whose name the orders count that the machine's key signs."""
        return f"ann, key {load_signer(self.keys, 'control', self.audience).key_id}"

    def order(self, value: str, *, target: str = "loop", kind: Any = "pause", signer: Signer | None = None) -> None:
        self.send(self.ordered(value, target=target, kind=kind, signer=signer))

    def ordered(
        self, value: str, *, target: str = "loop", kind: Any = "pause", signer: Signer | None = None
    ) -> Message:
        """Return the record of an order, which nobody has written yet."""
        self._count += 1
        event = Control(id=f"order-{self._count}", time_us=now_us(), kind=kind, target=target, value=value, by="ann")
        signer = signer or load_signer(self.keys, "control", self.audience)
        return signer.sign(wire.encode(event, loop=self.loop))

    def action(self, name: str, *, signer: Signer | None = None, **members: Any) -> Action:
        action, message = self.signed(name, signer=signer, **members)
        self.send(message)
        return action

    def signed(self, name: str, *, signer: Signer | None = None, **members: Any) -> tuple[Action, Message]:
        """Return an action and its record, which nobody has written yet."""
        action = self._action(name, **members)
        signer = signer or load_signer(self.keys, "actions", self.audience)
        return action, signer.sign(wire.encode(action, loop=self.loop))

    def _action(self, name: str, **members: Any) -> Action:
        issued_us = now_us()
        base: dict[str, Any] = {
            "id": name,
            "time_us": issued_us,
            "entity": "web-1",
            "action": "restart",
            "proposal": f"p-{name}",
            "episode": "e1",
            "pattern": "P1",
            "issued_us": issued_us,
            "expires_us": issued_us + VALID_US,
            "settings_hash": "h",
        }
        return Action(**(base | members))

    def approved(self, name: str, *people: Person, entity: str = "web-1", of: str | None = None) -> Action:
        """Write an action that some people approved; with `of` they approved it of another entity."""
        seen = self._action(name, entity=of or entity)
        answers = tuple(person.approval(seen, self.audience) for person in people)
        return self.action(
            name,
            entity=entity,
            issued_us=seen.issued_us,
            answers=answers,
            approvals=tuple(answer.id for answer in answers),
        )

    def claim(self, action: str) -> Message:
        """Return the signed claim of executor x9 on an action."""
        claim = Outcome(
            id=f"rival-{action}", time_us=1, action=action, entity="web-1", group="ops", executor="x9", state="claimed"
        )
        return load_signer(self.keys, "outcomes", self.audience).sign(wire.encode(claim, loop=self.loop))

    def claim_of_another(self, action: str) -> Callable[[Action], None]:
        """Return what writes the claim of executor x9 on an action, once, when that action is looked at."""
        claims = [self.claim(action)]

        def overtake(seen: Action) -> None:
            if seen.id == action and claims:
                self.send(claims.pop())

        return overtake

    def executor(
        self,
        name: str = "x1",
        *,
        group: str = "ops",
        store: str | None = None,
        trust: Trust | None = None,
        **settings: Any,
    ) -> ActionConsumer:
        make = Overtaken if "meanwhile" in settings else ActionConsumer
        return make(
            self.connection,
            audience=self.audience,
            trust=trust or load_trust(self.keys),
            signer=load_signer(self.keys, "outcomes", self.audience),
            group=group,
            executor=name,
            store=self.folder / (store or name),
            **settings,
        )

    def read(self, topic: str) -> list[Event]:
        """Return everything that lies on a topic of one partition now."""
        tail = Tail(self.connection, topic=f"{self.loop}.{topic}")
        end = tail.end(PATIENCE_S)
        assert end is not None
        events = []
        while tail.position < end:
            record = tail.poll(1.0)
            if record is not None:
                events.append(wire.decode(topic, record.value, record.headers))
        tail.close()
        return events

    def outcomes(self, action: str) -> list[str]:
        """Return the states told of an action, in order."""
        return [e.state for e in self.read("outcomes") if isinstance(e, Outcome) and e.action == action]

    def told(self, action: str) -> list[tuple[str, str]]:
        """Return who told which state of an action, in order."""
        return [(e.executor, e.state) for e in self.read("outcomes") if isinstance(e, Outcome) and e.action == action]

    def details(self, action: str) -> list[str]:
        return [e.detail for e in self.read("outcomes") if isinstance(e, Outcome) and e.action == action]

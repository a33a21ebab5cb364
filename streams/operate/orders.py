"""Orders of a person to a loop: each a signed event on `control`, `approvals` or `policy`."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from confluent_kafka import KafkaException, Producer
from confluent_kafka import Message as Record

from schemas import wire
from schemas.approvals import approval_bytes
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError, SettingsError
from schemas.events import Approval, Control, Proposal
from schemas.ids import derive
from schemas.kafka import make_producer
from schemas.keyfiles import NOTHING, load_signer
from schemas.orders import scope_of
from schemas.raw import Message
from schemas.signing import Audience, Purpose, Signer
from schemas.topics import TOPICS
from streams.operate.escalations import Escalation
from streams.operate.in_force import OrderTimes
from streams.operate.personal_key import PersonalKey
from streams.operate.subject import Subject

DELIVERY_TIMEOUT_S = 15.0
REASON_LIMIT = 2_000
"""Longest reason (characters): whole answers and proposals go into verdicts and actions."""
BY_PERSON = "person"
"""The model of a proposal that a person made."""
PersonalKeys = Callable[[Purpose], PersonalKey]
"""Finds the key with which a person signs for a purpose."""


def nobody(purpose: Purpose) -> PersonalKey:
    """Find no key: for programs that order nothing in a person's name; raises `SettingsError`."""
    raise SettingsError([f"expected a person's SSH key to sign {purpose}"])


class Orders:
    """Signs what a person decides and writes it, one acknowledged record after the other. Orders return their offset.

    `personal` finds the person's own key, with which answers and proposals are signed. Orders on `control` are signed
    with it where `in_person`, else with the machine's key in `keys` (or `environment`), in the name `person`.
    """

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        audience: Audience,
        keys: Path,
        person: str,
        clock_us: Callable[[], int],
        personal: PersonalKeys = nobody,
        in_person: bool = False,
        environment: Mapping[str, str] = NOTHING,
        times: OrderTimes | None = None,
    ) -> None:
        """Date orders by `times` after those in force, whatever the clock says; without it by the clock alone."""
        self._times = times
        self._audience = audience
        self._keys = keys
        self._person = person
        self._clock_us = clock_us
        self._connection = connection
        self._personal = personal
        self._in_person = in_person
        self._environment = environment

    def activate(self, *, settings_hash: str, keyring_text: str, let_run: bool = True) -> tuple[int, ...]:
        """Publish the keyring and the settings' hash, and let the loop run unless it is to stay paused; return the
        offsets of the orders. Raises `BrokerError`.
        """
        self.publish_keyring(keyring_text)
        settings = self.control(kind="settings", target="loop", value=settings_hash)
        if not let_run:
            return (settings,)
        return settings, self.control(kind="pause", target="loop", value="running", reason="activated")

    def publish_keyring(self, keyring_text: str) -> int:
        """Tell everyone whose keys count; the root key's signature within is all that it needs."""
        event = self._control(kind="keyring", target="loop", value=keyring_text, by=self._person)
        return self._write(wire.encode(event, loop=self._audience.loop))

    def pause(self, target: str, *, reason: str = "", until_us: int | None = None) -> int:
        """Stop new actions on a target (`loop`, `action:NAME`, `pattern:ID`, `entity:NAME`)."""
        return self.control(kind="pause", target=target, value="paused", reason=reason, until_us=until_us)

    def resume(self, target: str, *, reason: str = "") -> int:
        """Undo `pause`; limits keep counting what was spent."""
        return self.control(kind="pause", target=target, value="running", reason=reason)

    def stop(self, target: str, *, reason: str = "") -> int:
        """Stop a target, named as for `pause`, until it is rearmed; `resume` does not lift it."""
        return self.control(kind="stop", target=target, value="stopped", reason=reason)

    def rearm(self, target: str, *, reason: str = "") -> int:
        """Lift a stop of a target, and what tightened by itself (`loop`, `action:NAME`); what was spent stays spent."""
        return self.control(kind="rearm", target=target, value="rearmed", reason=reason)

    def level(self, pair: str, level: str, *, reason: str = "") -> int:
        """Set how far an action may go by itself: `pair` is `PATTERN/ACTION`, `*` for any pattern."""
        return self.control(kind="level", target=pair, value=level, reason=reason)

    def cancel(self, action: str, *, reason: str = "") -> int:
        """Forbid the start, and every further attempt, of one action by its id."""
        return self.control(kind="cancel", target=action, value="cancelled", reason=reason)

    def settle(self, action: str, state: str, *, reason: str = "") -> int:
        """Tell the gate how an action ended that says nothing itself: `succeeded`, `failed` or `unknown`."""
        return self.control(kind="settle", target=action, value=state, reason=reason)

    def control(self, *, kind: str, target: str, value: str, reason: str = "", until_us: int | None = None) -> int:
        """Write one control record and return its offset; it is acknowledged by all replicas when this returns."""
        if self._in_person:
            key = self._personal("control")
            by, signer = key.person, self._signer("control", key)
        else:
            by, signer = self._person, load_signer(self._keys, "control", self._audience, self._environment)
        event = self._control(kind=kind, target=target, value=value, by=by, reason=reason, until_us=until_us)
        return self._write(signer.sign(wire.encode(event, loop=self._audience.loop)))

    def answer(self, escalation: Escalation, *, approve: bool, reason: str = "") -> Approval:
        """Approve or reject an escalation: the very proposal and the very action it would become, by their hashes.

        It holds as long as the escalation is open. Returns what was written.
        """
        _refuse_long(reason)
        key = self._personal("approvals")
        now_us, proposal = self._clock_us(), escalation.proposal
        unsigned = Approval(
            id=derive("approval", proposal.id, str(approve), now_us, key.person),
            time_us=now_us,
            proposal=proposal.id,
            proposal_hash=proposal.digest(),
            action_hash=escalation.final.digest(),
            decision="approve" if approve else "reject",
            person=key.person,
            not_after_us=escalation.until_us,
            reason=reason,
        )
        signature = base64.b64encode(key.sign(approval_bytes(unsigned, self._audience))).decode()
        event = msgspec.structs.replace(unsigned, signature=signature)
        self._write(wire.encode(event, loop=self._audience.loop))
        return event

    def propose(self, action: str, on: Subject, *, reason: str, valid_us: int) -> Proposal:
        """Propose an action in the person's own name; it passes the gate like any other. Returns what was written."""
        _refuse_long(reason)
        key = self._personal("proposals")
        now_us = self._clock_us()
        event = Proposal(
            id=derive("proposal", on.entity, action, now_us, key.person),
            time_us=now_us,
            entity=on.entity,
            episode=on.episode,
            pattern=on.pattern,
            action=action,
            propensity=1.0,
            probabilities={action: 1.0},
            expires_us=now_us + valid_us,
            model=BY_PERSON,
            group=on.group,
            by=key.person,
            reason=reason,
        )
        self._write(self._signer("proposals", key).sign(wire.encode(event, loop=self._audience.loop)))
        return event

    def _control(self, *, kind: str, target: str, value: str, by: str, **more: str | int | None) -> Control:
        now_us = self._clock_us()
        order = Control(
            id="",
            time_us=now_us,
            kind=kind,  # type: ignore[arg-type]  # the command line offers only the kinds of the contract
            target=target,
            value=value,
            by=by,
            **more,  # type: ignore[arg-type]  # reason and until_us
        )
        scope = scope_of(order)
        time_us = now_us if scope is None or self._times is None else self._times.of(scope, now_us)
        name = derive("control", kind, target, value, time_us, by)
        return msgspec.structs.replace(order, id=name, time_us=time_us)

    def _signer(self, purpose: Purpose, key: PersonalKey) -> Signer:
        return Signer(key_id=key.entry.id, purpose=purpose, private_key=key, audience=self._audience)

    def _write(self, message: Message) -> int:
        (offset,) = write_messages(self._connection, self._audience.loop, [message])
        return offset


def _refuse_long(reason: str) -> None:
    if len(reason) > REASON_LIMIT:
        raise SettingsError([f"expected a reason of at most {REASON_LIMIT} characters, got {len(reason)}"])


def write_messages(connection: KafkaConnection, loop: str, messages: list[Message]) -> list[int]:
    """Write records, wait until every one is acknowledged, and return their offsets in the order of acknowledgement.

    Raises `BrokerError` that names the first failure.
    """
    failures: list[str] = []
    offsets: list[int] = []

    def delivered(error: object, record: Record) -> None:
        if error is not None:
            failures.append(str(error))
        else:
            offsets.append(record.offset())

    producer: Producer = make_producer(connection, linger_ms=0)
    try:
        for message in messages:
            place = {} if message.partition is None else {"partition": message.partition}
            producer.produce(
                TOPICS[message.topic].full_name(loop),
                key=message.key,
                value=message.value,
                headers=list(message.headers),
                on_delivery=delivered,
                **place,
            )
        left = producer.flush(DELIVERY_TIMEOUT_S)
    except (BufferError, KafkaException) as error:
        raise BrokerError(f"cannot write to {connection.bootstrap}: {error}") from error
    if left or failures:
        what = failures[0] if failures else f"no acknowledgement within {DELIVERY_TIMEOUT_S:.0f} s"
        raise BrokerError(f"cannot write to {connection.bootstrap}: {what}; is the broker up?")
    return offsets

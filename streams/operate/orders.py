"""Orders of a person to a loop: each a signed event on `control`, `approvals` or `policy`."""

from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException, Producer

from schemas import wire
from schemas.connection import KafkaConnection
from schemas.errors import BrokerError
from schemas.events import Approval, Control, Event, Proposal
from schemas.ids import derive
from schemas.kafka import make_producer
from schemas.keyfiles import load_signer
from schemas.raw import Message
from schemas.signing import PURPOSE_OF_TOPIC, Audience
from schemas.topics import TOPICS

DELIVERY_TIMEOUT_S = 15.0


class Orders:
    """Signs what a person decides and writes it, one acknowledged record after the other."""

    def __init__(
        self,
        *,
        connection: KafkaConnection,
        audience: Audience,
        keys: Path,
        person: str,
        clock_us: Callable[[], int],
    ) -> None:
        self._audience = audience
        self._keys = keys
        self._person = person
        self._clock_us = clock_us
        self._connection = connection

    def activate(self, *, settings_hash: str, keyring_text: str) -> None:
        """Publish the keyring and the settings' hash, and let the loop run; raises `BrokerError`."""
        self.control(kind="keyring", target="loop", value=keyring_text)
        self.control(kind="settings", target="loop", value=settings_hash)
        self.control(kind="pause", target="loop", value="running", reason="activated")

    def pause(self, target: str, *, reason: str = "", until_us: int | None = None) -> None:
        """Stop new actions on a target (`loop`, `action:NAME`, `pattern:ID`, `entity:NAME`)."""
        self.control(kind="pause", target=target, value="paused", reason=reason, until_us=until_us)

    def resume(self, target: str, *, reason: str = "") -> None:
        """Undo `pause`; limits keep counting what was spent."""
        self.control(kind="pause", target=target, value="running", reason=reason)

    def stop(self, target: str, *, reason: str = "") -> None:
        """Stop a target, named as for `pause`, until it is rearmed; `resume` does not lift it."""
        self.control(kind="stop", target=target, value="stopped", reason=reason)

    def rearm(self, target: str, *, reason: str = "") -> None:
        """Lift a stop of a target, and what tightened by itself (`loop`, `action:NAME`); what was spent stays spent."""
        self.control(kind="rearm", target=target, value="rearmed", reason=reason)

    def level(self, pair: str, level: str, *, reason: str = "") -> None:
        """Set how far an action may go by itself: `pair` is `PATTERN/ACTION`, `*` for any pattern."""
        self.control(kind="level", target=pair, value=level, reason=reason)

    def cancel(self, action: str, *, reason: str = "") -> None:
        """Forbid the start, and every further attempt, of one action by its id."""
        self.control(kind="cancel", target=action, value="cancelled", reason=reason)

    def settle(self, action: str, state: str, *, reason: str = "") -> None:
        """Tell the gate how an action ended that says nothing itself: `succeeded`, `failed` or `unknown`."""
        self.control(kind="settle", target=action, value=state, reason=reason)

    def control(self, *, kind: str, target: str, value: str, reason: str = "", until_us: int | None = None) -> None:
        """Write one control record; it is acknowledged by all replicas when this returns."""
        now_us = self._clock_us()
        event = Control(
            id=derive("control", kind, target, value, now_us, self._person),
            time_us=now_us,
            kind=kind,  # type: ignore[arg-type]  # the command line offers only the kinds of the contract
            target=target,
            value=value,
            by=self._person,
            reason=reason,
            until_us=until_us,
        )
        self._write(event)

    def answer(self, proposal: Proposal, *, approve: bool, reason: str = "", valid_us: int = 600_000_000) -> None:
        """Approve or reject an escalated proposal; the answer names the very proposal by its hash."""
        now_us = self._clock_us()
        event = Approval(
            id=derive("approval", proposal.id, str(approve), now_us, self._person),
            time_us=now_us,
            proposal=proposal.id,
            proposal_hash=proposal.digest(),
            decision="approve" if approve else "reject",
            person=self._person,
            not_after_us=now_us + valid_us,
            reason=reason,
        )
        self._write(event)

    def _write(self, event: Event) -> None:
        message = wire.encode(event, loop=self._audience.loop)
        signed = load_signer(self._keys, PURPOSE_OF_TOPIC[message.topic], self._audience).sign(message)
        write_messages(self._connection, self._audience.loop, [signed])


def write_messages(connection: KafkaConnection, loop: str, messages: list[Message]) -> None:
    """Write records and wait until every one is acknowledged; raises `BrokerError` that names the first failure."""
    failures: list[str] = []

    def delivered(error: object, _record: object) -> None:
        if error is not None:
            failures.append(str(error))

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

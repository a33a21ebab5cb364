"""Every worker says every few seconds that it lives, what it holds, and whether it has heard `control`."""

import os
import socket

from confluent_kafka import KafkaException

from schemas import wire
from schemas.events import Presence
from schemas.ids import derive
from schemas.kafka import make_producer
from streams.runtime.spec import WorkerSpec


class PresenceWriter:
    """Writes `presence` records; losing one is no harm, so nothing waits for them."""

    def __init__(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._topic = spec.full_name(Presence.TOPIC)
        self._producer = make_producer(spec.connection, linger_ms=0, message_timeout_ms=5_000)

    def write(self, presence: Presence) -> None:
        """Send one record."""
        message = wire.encode(presence, loop=self._spec.loop)
        try:
            self._producer.produce(self._topic, value=message.value, key=message.key, headers=list(message.headers))
            self._producer.poll(0)
        except (BufferError, KafkaException):
            return

    def close(self) -> None:
        """Wait a moment for the last record."""
        self._producer.flush(1.0)


def presence_of(
    spec: WorkerSpec,
    *,
    now_us: int,
    state: str,
    heard_us: int,
    control_offset: int,
    held: dict[int, int],
    lag: int,
    why: str = "",
) -> Presence:
    """Return the record; `held` maps partitions to their next step, `why` says why it is paused."""
    return Presence(
        id=derive(spec.loop, "presence", spec.instance, now_us),
        time_us=now_us,
        instance=spec.instance,
        role=spec.role,
        version=spec.code,
        pid=os.getpid(),
        host=socket.gethostname(),
        state=state,  # type: ignore[arg-type]  # one of the three names, by the caller
        control_heard_us=heard_us,
        control_offset=control_offset,
        partitions=tuple(sorted(held)),
        step=max(held.values(), default=0),
        lag=lag,
        settings_hash=spec.settings_hash,
        why=why,
    )

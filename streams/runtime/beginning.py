"""The trust that a role begins with where it has no state: the first keyring on `control`, as `Beginning` finds it."""

from dataclasses import dataclass

from schemas.connection import KafkaConnection
from schemas.events import Control
from schemas.kafka import headers_of
from schemas.keyring import Trust
from schemas.order_reading import Beginning
from schemas.raw import Headers
from schemas.signing import Audience
from streams.runtime.log_reader import PartitionReader


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    key: bytes | None
    value: bytes | None
    headers: Headers


def first_trust(connection: KafkaConnection, *, audience: Audience, today: Trust) -> Trust:
    """Return the trust that `control` begins with, or `today`'s where no keyring lies there; raises `BrokerError`."""
    beginning = Beginning(today, audience)
    with PartitionReader(connection, topic=f"{audience.loop}.{Control.TOPIC}", partition=0) as reader:
        for record in reader.to_end():
            beginning.look_at(_Record(key=record.key(), value=record.value(), headers=headers_of(record)))
            if beginning.known:
                break
    return beginning.trust()

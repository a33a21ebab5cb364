"""The only place that makes confluent-kafka clients."""

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient

from .connection import KafkaConnection

Setting = str | int | float | bool
_QUIET = {"log_level": 3}


def make_producer(connection: KafkaConnection, **settings: Setting) -> Producer:
    """Return an idempotent producer. Settings are librdkafka's, dots written as underscores."""
    defaults: dict[str, Setting] = {
        "enable.idempotence": True,
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
    }
    return Producer({**_QUIET, **connection.librdkafka(), **defaults, **_dotted(settings)})


def make_consumer(connection: KafkaConnection, *, group: str, **settings: Setting) -> Consumer:
    """Return a consumer that reads committed records only and commits nothing by itself."""
    defaults: dict[str, Setting] = {
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
    }
    return Consumer({**_QUIET, **connection.librdkafka(), **defaults, **_dotted(settings)})


def make_admin(connection: KafkaConnection) -> AdminClient:
    """Return an admin client."""
    return AdminClient({**_QUIET, **connection.librdkafka()})


def _dotted(settings: dict[str, Setting]) -> dict[str, Setting]:
    return {name.replace("_", "."): value for name, value in settings.items()}

"""A secured broker (SCRAM over TLS, access control on) with one user for each principal of a loop."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from connectors.kafka.access import ADMIN, PRINCIPALS, RECOVERY, user
from connectors.kafka.access_control import apply_acls
from connectors.kafka.launcher import LocalKafka, Security
from schemas.connection import KafkaConnection
from tests.kafka.certificates import make_certificates


@contextmanager
def secured_kafka(folder: Path, *, loop: str) -> Iterator[LocalKafka]:
    """Run it, with the access table of a loop in force; skips, with the reason, where no broker can run."""
    keystore, truststore = make_certificates(folder)
    users = {user(loop, role): f"secret-of-{role}" for role in (*PRINCIPALS, ADMIN, RECOVERY)}
    security = Security(users={**users, "root": "root-secret"}, admin="root", keystore=keystore, truststore=truststore)
    with LocalKafka(data=folder / "kafka", security=security) as kafka:
        kafka.start()
        apply_acls(kafka.connection, loop)
        yield kafka


def as_role(kafka: LocalKafka, loop: str, role: str) -> KafkaConnection:
    """Return how a principal of a loop reaches the broker."""
    return kafka.connection_as(user(loop, role))

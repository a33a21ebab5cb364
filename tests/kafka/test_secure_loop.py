"""A whole loop on a secured cluster: every process connects as its own principal and needs nothing that is refused."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka
from connectors.processes.supervisor import Supervisor
from schemas.connection import KafkaConnection
from schemas.events import Action, Outcome, Presence
from schemas.kafka import make_producer
from schemas.topics import ROLES
from streams.cli.options import orders_of, reader_of
from streams.operate.loop_place import LoopPlace
from streams.operate.processes import flyball_command, role_commands
from streams.operate.recovering import recover_role
from streams.operate.topic_reader import TopicReader
from tests.kafka.live_loop import QUICK, LiveLoop, edit, now_us
from tests.kafka.secured import as_role, secured_kafka
from tests.patience import PATIENCE_S

LOOP = "secure"
EVERYBODY = (*ROLES, "executor", "operator", "admin", "recovery")
pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secure")


@pytest.fixture(scope="module")
def kafka(folder: Path) -> Iterator[LocalKafka]:
    with secured_kafka(folder, loop=LOOP) as running:
        yield running


@pytest.fixture
def loop(kafka: LocalKafka, tmp_path: Path) -> LiveLoop:
    """Give a loop with a file per principal: all the same, but for who connects."""
    found = LiveLoop(tmp_path, name=LOOP, connection=as_role(kafka, LOOP, "producer"))
    found.reader = TopicReader(as_role(kafka, LOOP, "operator"), LOOP)
    found.command("init", ".", "--name", LOOP)
    text = edit(found.config.read_text(), QUICK)
    for role in EVERYBODY:
        file_of(found, role).write_text(text + kafka_section(as_role(kafka, LOOP, role)))
    return found


def file_of(loop: LiveLoop, role: str) -> Path:
    return loop.folder / f"{role}.toml"


def kafka_section(connection: KafkaConnection) -> str:
    names = ("bootstrap", "security_protocol", "sasl_mechanism", "sasl_username", "sasl_password", "ssl_cafile")
    section = "\n[kafka]\n" + "".join(f'{name} = "{getattr(connection, name)}"\n' for name in names)
    assert tomllib.loads(section)["kafka"]["security_protocol"] == "SASL_SSL"
    return section


def processes(loop: LiveLoop) -> dict[str, list[str]]:
    """Return a worker of every role and an executor, each with the file of its principal."""
    commands = {role: role_commands(file_of(loop, role), [role])[role] for role in ROLES}
    return commands | {"executor": flyball_command("executor", "-c", str(file_of(loop, "executor")))}


def test_an_action_comes_out_and_its_outcome_is_written_and_nothing_is_refused(loop: LiveLoop, folder: Path) -> None:
    loop.command("topics", "apply", "-c", "admin.toml")
    loop.command("activate", "-c", "operator.toml")
    with Supervisor(processes(loop), logs=loop.folder / "logs"):
        loop.until(lambda: {word.role for word in words(loop)} == {*ROLES, "executor"})
        loop.warm_up("web-1")
        loop.fail("web-1")
        loop.until(lambda: [end for end in loop.events(Outcome) if end.state == "succeeded"])
        (action,) = loop.events(Action)
        assert (action.entity, action.action) == ("web-1", "restart")
    loop.command("replay", "-c", "operator.toml")
    place = LoopPlace.open(file_of(loop, "recovery"))
    for role in ROLES:
        (said,) = recover_role(place, role, orders=orders_of(place), reader=reader_of(place), now_us=now_us())
        assert "nothing is lost" in said
    assert refusals(folder) == []


def words(loop: LiveLoop) -> list[Presence]:
    """Return what the processes that hold their partitions say of themselves."""
    return [word for word in loop.presence() if word.partitions or word.role == "executor"]


def refusals(folder: Path, *, to: str = "") -> list[str]:
    """Return what the broker's authorizer refused to the principals of the loop, or to one of them."""
    lines = (folder / "kafka" / "broker-1" / "server.log").read_text().splitlines()
    return [line for line in lines if f"User:{LOOP}-{to}" in line and "Denied" in line]


def test_what_is_refused_would_be_seen(kafka: LocalKafka, loop: LiveLoop, folder: Path) -> None:
    """Without this, the test above could not fail."""
    loop.command("topics", "apply", "-c", "admin.toml")
    producer = make_producer(as_role(kafka, LOOP, "console"), enable_idempotence=False)
    producer.produce(f"{LOOP}.control", b"{}")
    assert producer.flush(PATIENCE_S) == 0
    assert refusals(folder, to="console")

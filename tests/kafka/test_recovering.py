"""A gate that lost its state, as an operator lets it go on."""

from pathlib import Path

from confluent_kafka import TopicPartition

from connectors.kafka.launcher import LocalKafka
from schemas.events import LevelChange
from schemas.kafka import make_admin
from schemas.topics import TOPICS
from schemas.wire import encode
from tests.kafka.live_loop import LiveLoop, now_us
from tests.loop.gate_bench import proposal
from tests.patience import PATIENCE_S


def lose_the_first(loop: LiveLoop, topic: str) -> None:
    """Let retention take the first record of a topic."""
    place = TopicPartition(TOPICS[topic].full_name(loop.name), 0, 1)
    admin = make_admin(loop.connection)  # gone, it would take its answers with it
    (removed,) = admin.delete_records([place]).values()
    removed.result(PATIENCE_S)


def test_what_the_gate_had_lowered_stays_low_and_no_activation_lifts_the_pause(
    broker: LocalKafka, loop_name: str, tmp_path: Path
) -> None:
    loop = LiveLoop(tmp_path, name=loop_name, connection=broker.connection)
    loop.init({"levels.raise": '"auto"'})
    loop.command("topics", "apply")
    loop.command("activate")
    loop.command("level", "p-1/restart", "act", expect=1)  # no gate is there that could confirm it
    lowered = LevelChange(
        id="lowered", time_us=now_us(), pattern="p-1", action="restart", level="approve", was="act", start="act",
        reason="harm",
    )  # fmt: skip
    loop.send_all([encode(event, loop=loop.name) for event in (lowered, proposal("q1", time_us=now_us()))])
    lose_the_first(loop, "policy")

    said = loop.command("recover", "--role", "gate", "--accept-loss")
    assert "paused for " in said
    assert said.endswith("p-1/restart stays at approve, by an order now: the gate had lowered it\n")
    (pair,) = [one for one in loop.json("levels") if one["pattern"] == "p-1"]
    assert (pair["action"], pair["level"], pair["named"], pair["lowered"]) == ("restart", "approve", "approve", False)
    assert "still in force: pause/loop (the gate lost state)\n" in loop.command("activate")
    assert loop.json("status")["paused"] is True

"""Orders that a rotated key signed, for a worker that starts without a snapshot, on a real broker."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from connectors.kafka.launcher import LocalKafka
from schemas.clock import LoopClock
from schemas.events import DeadLetter
from schemas.keyfiles import keyring_text, load_signer, rotate_key
from streams.app import make_worker
from streams.runtime.inbox import Fetched
from streams.runtime.log_reader import InputReader
from streams.runtime.metrics import Metrics
from streams.runtime.partition import PartitionOwner
from streams.runtime.spec import WorkerSpec
from streams.runtime.takeover import take_over
from streams.settings import EXAMPLE, parse
from tests.kafka.log import KafkaLog
from tests.patience import eventually
from tests.schemas.executors import Site


@pytest.fixture
def site(broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path) -> Site:
    return Site(broker.connection, broker.cluster_id, loop_on_kafka(), tmp_path)


def gate(site: Site) -> WorkerSpec:
    """Return what a gate's process that starts now is told."""
    example = parse(EXAMPLE, name="example")
    settings = msgspec.structs.replace(example, loop=msgspec.structs.replace(example.loop, name=site.loop))
    spec = make_worker(
        settings,
        role="gate",
        connection=site.connection,
        audience=site.audience,
        keys=site.keys,
        data=site.folder / "data",
        instance="w0",
    )
    return replace(spec, replay_limit_s=1e9)


def running(spec: WorkerSpec, failures: list[BaseException]) -> PartitionOwner:
    """Take over without a process, and fold what lay on `control`."""
    owner = PartitionOwner(
        spec,
        partition=0,
        takeover=take_over(spec, partition=0, clock=LoopClock()),
        clock=LoopClock(),
        heard_us=lambda: 0,
        metrics=Metrics(loop=spec.loop, role=spec.role),
        failed=lambda _, error: failures.append(error),
    )
    owner.start()
    return owner


def test_a_gate_killed_before_its_first_snapshot_starts_again_after_a_rotation(site: Site) -> None:
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("h", kind="settings")
    site.order("running")
    former, failures = load_signer(site.keys, "control", site.audience), list[BaseException]()
    owner = running(gate(site), failures)
    eventually(lambda: failures or owner.control_offset == 3)
    owner.release(snapshot=False)
    rotate_key(site.keys, "control")
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("rearmed", target="action:wipe", kind="rearm", signer=former)
    takeover = take_over(gate(site), partition=0, clock=LoopClock())
    assert (takeover.replayed, takeover.positions["control"], failures) == (owner.step, 3, [])


def test_a_gate_that_begins_hears_all_orders_first_each_by_the_keyring_of_its_place(site: Site) -> None:
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("stopped", target="action:wipe", kind="stop")
    former = load_signer(site.keys, "control", site.audience)
    forged = site.claim("a1")
    for purpose in ("control", "outcomes"):
        rotate_key(site.keys, purpose)
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("rearmed", target="action:wipe", kind="rearm", signer=former)
    site.send(forged)
    failures: list[BaseException] = []
    takeover = take_over(gate(site), partition=0, clock=LoopClock())
    assert takeover.orders is not None
    assert list(takeover.orders.offsets) == [0, 1, 2, 3]
    assert all(takeover.orders.written_us)
    owner = running(gate(site), failures)
    with InputReader(site.connection, prefix=f"{site.loop}.") as reader:
        owner.inbox.put(Fetched(batch=reader.batch("outcomes", 0, 0, 1), start=0, stop=1))
    eventually(lambda: failures or owner.position("outcomes") == 1)
    owner.release(snapshot=False)
    letters = KafkaLog(site.connection, site.loop).events("dead-letters")
    refused = [(one.origin_topic, one.origin_offset, one.reason) for one in letters if isinstance(one, DeadLetter)]
    assert (refused, failures) == ([("control", 3, "revoked-key"), ("outcomes", 0, "revoked-key")], [])

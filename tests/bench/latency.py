"""From `produce()` to the hand-over by `ActionConsumer`: an open loop at 200 events/s, on a real Kafka, real processes.

`python -m tests.bench.latency [--json OUT]`. One-sample windows, one known pattern, wide limits, level act. Per action
the way is cut into hops by the append times of its records, followed through their causes; hand-over and produce are
taken on this machine's clock. Bar: p50 at most 60 ms, p99 at most 300 ms.
"""

import argparse
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from connectors.kafka.launcher import LocalKafka
from schemas.client import ActionConsumer, TelemetryProducer
from schemas.events import Action, Outcome
from schemas.keyfiles import load_signer, load_trust
from schemas.signing import Audience
from streams.operate.topic_reader import StoredRecord
from tests.bench.rows import Row, print_table, write_rows
from tests.kafka.live_loop import QUICK, LiveLoop, now_us

EVENTS_PER_S = 200
ENTITIES = 100
WARM_UP_ROUNDS = 120
"""A minute: so long the broker's Java compiles what it runs, which costs a core meanwhile."""
SAMPLE_US = 1_000_000 * ENTITIES // EVENTS_PER_S
FAIL_EVERY = 40
"""Every entity fails once in so many of its samples: long enough to be normal again, and its outcome to be closed."""
HOPS = ("telemetry", "insight", "proposal", "action", "claim", "hand-over")
SETTINGS = QUICK | {
    "telemetry.partitions": "1",
    "detect.close_windows": '2\nmeasure_after = "4s"',
    "outcome.horizon": '"1s"',
    "actions.restart.expires": '"3s"',
    "gate.loop_limit": '"10000/minute"',
    "gate.pattern_limit": '"10000/minute"',
    "gate.entity_attempts": '"10000/day"',
    "gate.concurrency": "1000",
    "actions.restart.limit": '"10000/minute"',
    "policy.floor": "0.0",
}


@dataclass(slots=True)
class Clocked:
    """What this process saw: when a failing sample was produced, and when its action was handed over."""

    produced_us: dict[str, list[int]] = field(default_factory=dict)
    handed_us: dict[str, int] = field(default_factory=dict)


def take(consumer: ActionConsumer, clocked: Clocked, stop: threading.Event) -> None:
    """Take actions and report each at once."""
    while not stop.is_set():
        action = consumer.poll(0.2)
        if action is not None:
            clocked.handed_us[action.id] = now_us()
            consumer.report(action, "succeeded")


def feed(loop: LiveLoop, clocked: Clocked, *, rounds: int) -> None:
    """Send at an even rate: entity after entity, each failing now and then, at different times."""
    began = time.monotonic()
    sent = 0
    with TelemetryProducer(loop.connection, loop=loop.name, linger_ms=0) as producer:
        for turn in range(rounds):
            for number in range(ENTITIES):
                entity = f"host-{number:03d}"
                fails = turn >= WARM_UP_ROUNDS and (turn + number) % FAIL_EVERY == 0
                time.sleep(max(0.0, began + sent / EVENTS_PER_S - time.monotonic()))
                at_us = now_us()
                load = 95.0 if fails else 50.0 + (turn + number) % 3
                producer.send(entity, at_us, {"load": load, "queue": load / 5})
                if fails:
                    clocked.produced_us.setdefault(entity, []).append(at_us)
                sent += 1


def positions(loop: LiveLoop, *topics: str) -> dict[str, StoredRecord]:
    """Return records by position."""
    found = (record for record in loop.reader.records(topics) if record is not None)
    return {f"{record.topic}/{record.partition}/{record.offset}": record for record in found}


def measure(loop: LiveLoop, clocked: Clocked) -> np.ndarray:
    """Return one row per action: ms from `produce()` to each hop of `HOPS`, measured from the one before."""
    stored = positions(loop, "telemetry", "insights", "patterns", "policy", "verdicts", "actions")
    claims = {
        event.action: record.timestamp_us
        for record, event in loop.reader.events("outcomes")
        if isinstance(event, Outcome) and event.state == "claimed"
    }
    rows = []
    for record in [record for record in stored.values() if record.topic == "actions"]:
        action = record.event()
        if not isinstance(action, Action) or action.id not in clocked.handed_us:
            continue
        times = _chain(record, stored)
        produced = [us for us in clocked.produced_us.get(action.entity, []) if us <= action.issued_us]
        if times is None or not produced or times[0] - produced[-1] > SAMPLE_US:
            continue  # decided later, or by a sample that did not fail
        rows.append([produced[-1], *times, record.timestamp_us, claims[action.id], clocked.handed_us[action.id]])
    return np.diff(np.array(rows), axis=1) / 1e3


def _chain(record: StoredRecord, stored: dict[str, StoredRecord]) -> tuple[int, int, int] | None:
    """Return the append times of the telemetry, the onset and the proposal that led to an action; None where a timer
    did: its episode waited until the outcome of its entity's former action was known.
    """
    times: dict[str, int] = {}
    for _ in range(8):
        event = record.event()
        if event is None or not event.causes:
            return None
        found = stored.get(event.causes[0])
        if found is None:
            return None
        record = found
        times[record.topic] = record.timestamp_us
        if record.topic == "telemetry":
            return times["telemetry"], times["insights"], times["policy"]
    return None


def rows_of(hops: np.ndarray) -> list[Row]:
    """Return p50 and p99 of the whole way and of each hop, and each hop's share of the mean."""
    whole = hops.sum(axis=1)
    found = [("whole", "actions", float(len(whole)), "actions")]
    for name, values in (("whole", whole), *zip(HOPS, hops.T, strict=True)):
        found += [(name, f"p{p}_ms", float(np.percentile(values, p)), "ms") for p in (50, 99)]
        found.append((name, "share", float(values.mean() / whole.mean()), "share"))
    return [
        Row(benchmark="latency", case=case, system="flyball", metric=metric, value=value, unit=unit)
        for case, metric, value, unit in found
    ]


def run(folder: Path, *, actions: int) -> list[Row]:
    """Start everything, feed it until about so many actions were taken, and measure."""
    rounds = WARM_UP_ROUNDS + FAIL_EVERY * (1 + actions // ENTITIES)
    clocked, stop = Clocked(), threading.Event()
    with LocalKafka(data=folder / "kafka", lasting=True) as kafka:
        place = folder / "loop"
        place.mkdir()
        loop = LiveLoop(place, name="latency", connection=kafka.connection)
        loop.init(SETTINGS)
        loop.command("topics", "apply")
        loop.command("activate")
        audience = Audience(cluster=kafka.cluster_id, loop=loop.name)
        consumer = ActionConsumer(
            loop.connection,
            audience=audience,
            trust=load_trust(place / "keys"),
            signer=load_signer(place / "keys", "outcomes", audience),
            group="bench",
            executor="bench",
            store=place / "store",
            start_limits=(),
        )
        with loop.running(), consumer:
            taker = threading.Thread(target=take, args=(consumer, clocked, stop))
            taker.start()
            feed(loop, clocked, rounds=rounds)
            time.sleep(2.0)
            stop.set()
            taker.join()
            return rows_of(measure(loop, clocked))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--actions", type=int, default=600, help="about how many to measure")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="flyball-latency-") as folder:
        rows = run(Path(folder), actions=arguments.actions)
    print_table(rows)
    write_rows(arguments.json, rows)


if __name__ == "__main__":
    main()

"""Following a topic of one partition on a real Kafka."""

import time

from connectors.kafka.launcher import LocalKafka
from schemas import kafka
from schemas.client.tail import Tail
from schemas.client.watch import ControlWatch
from schemas.keyfiles import load_trust
from tests.patience import PATIENCE_S, eventually
from tests.schemas.executors import Site, now_us


def test_what_came_one_by_one_is_read_without_a_pause_at_each_end(broker: LocalKafka, site: Site) -> None:
    producer = kafka.make_producer(broker.connection, linger_ms=0)
    tail = Tail(site.connection, topic=f"{site.loop}.outcomes", wait_ms=100)
    for number in range(5):
        producer.produce(f"{site.loop}.outcomes", str(number).encode())
        assert producer.flush(PATIENCE_S) == 0
        if number == 0:
            eventually(lambda: tail.poll(0.1))
        time.sleep(0.4)  # its end is reached before the next one comes
    time.sleep(3.0)
    found = []
    while (record := tail.poll(0)) is not None:
        found.append(record.value)
    tail.close()
    assert found == [b"1", b"2", b"3", b"4"]


def test_a_watch_that_ends_says_why(site: Site) -> None:
    def break_off() -> None:
        raise BufferError("no room")

    watch = ControlWatch(
        site.connection, audience=site.audience, trust=load_trust(site.keys), clock=now_us, on_beat=break_off
    )
    watch.start()
    eventually(lambda: watch.failure)
    watch.close()
    assert isinstance(watch.failure, BufferError)

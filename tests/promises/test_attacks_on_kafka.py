"""Attacks that need a real Kafka: actions of before an executor's time, and what was written and then undone.

With valid work between: every valid action is done, of the others none, and what is refused says why.
"""

import random
from collections import Counter

import pytest
from confluent_kafka import Producer

from schemas import kafka
from schemas.client import ActionConsumer
from schemas.events import Outcome
from schemas.raw import Message
from tests.patience import PATIENCE_S, eventually
from tests.schemas.executors import SECOND_US, Site, next_is, now_us, refusal

MINUTE_US = 60 * SECOND_US
ANY_NUMBER = ((10_000, MINUTE_US),)
OF_EACH_KIND = 50
TRANSACTIONS = 60


@pytest.fixture
def undoing(site: Site) -> Producer:
    """Give a producer of transactions."""
    producer = kafka.make_producer(site.connection, transactional_id=f"{site.loop}/undoing")
    producer.init_transactions(PATIENCE_S)
    return producer


def do_all(consumer: ActionConsumer, last: str) -> list[str]:
    """Do what is handed over until an action comes; return all of it."""
    done: list[str] = []
    while not done or done[-1] != last:
        action = consumer.poll(PATIENCE_S)
        assert action is not None, done
        consumer.report(action, "succeeded")
        done.append(action.id)
    return done


def write(site: Site, producer: Producer, *messages: Message) -> None:
    """Write in a transaction that is begun and stays open."""
    producer.begin_transaction()
    for message in messages:
        kafka.produce(producer, message, loop=site.loop)
    assert producer.flush(PATIENCE_S) == 0


def old_actions(site: Site, draw: random.Random) -> dict[str, Message]:
    """Fill the actions topic with valid ones: done by an executor, left undone, and expired; in any order."""
    with site.executor("former", start_limits=ANY_NUMBER) as consumer:
        done = [site.signed(f"done-{n}", expires_us=now_us() + 10 * MINUTE_US) for n in range(OF_EACH_KIND)]
        for _, message in done:
            site.send(message)
        do_all(consumer, f"done-{OF_EACH_KIND - 1}")
    left = [site.signed(f"left-{n}", expires_us=now_us() + 10 * MINUTE_US) for n in range(OF_EACH_KIND)]
    long_ago_us = now_us() - 60 * MINUTE_US
    over = [
        site.signed(f"over-{n}", issued_us=long_ago_us, expires_us=long_ago_us + MINUTE_US) for n in range(OF_EACH_KIND)
    ]
    later = [*left, *over]
    draw.shuffle(later)
    for _, message in later:
        site.send(message)
    return {action.id: message for action, message in (*done, *later)}


def test_a_fresh_executor_does_nothing_of_an_old_actions_topic(site: Site) -> None:
    """Neither where its group begins to read, nor where somebody writes the same records again behind that."""
    draw = random.Random(7)
    old = old_actions(site, draw)
    again = draw.sample(sorted(old), len(old))
    with site.executor("fresh", group="new", start_limits=ANY_NUMBER) as consumer:
        for number, name in enumerate(again):
            site.send(old[name])
            if number % 10 == 9:
                site.action(f"valid-{number}", expires_us=now_us() + 10 * MINUTE_US)
        valid = [f"valid-{number}" for number in range(9, len(again), 10)]
        assert do_all(consumer, valid[-1]) == valid
    told = [event for event in site.read("outcomes") if isinstance(event, Outcome) and event.group == "new"]
    refused = Counter((event.action.partition("-")[0], event.detail) for event in told if event.state == "refused")
    issued, expired = (f"{what} before this executor's memory began" for what in ("issued", "expired"))
    assert refused == {("done", issued): OF_EACH_KIND, ("left", issued): OF_EACH_KIND, ("over", expired): OF_EACH_KIND}
    assert {event.action for event in told} == {*old, *valid}


def test_nothing_of_an_aborted_transaction_is_done(site: Site, undoing: Producer) -> None:
    draw = random.Random(7)
    committed: list[str] = []
    with site.executor(start_limits=ANY_NUMBER) as consumer:
        for number in range(TRANSACTIONS):
            names = [f"a{number}-{n}" for n in range(draw.randrange(1, 4))]
            write(site, undoing, *(site.signed(name)[1] for name in names))
            if draw.random() < 0.3:
                undoing.commit_transaction(PATIENCE_S)
                committed += names
            else:
                undoing.abort_transaction(PATIENCE_S)
        write(site, undoing, site.signed("open")[1])
        assert do_all(consumer, committed[-1]) == committed
        assert consumer.poll(1.0) is None  # not while it is open either
        undoing.abort_transaction(PATIENCE_S)
        site.action("last")
        assert do_all(consumer, "last") == ["last"]
    assert {event.action for event in site.read("outcomes") if isinstance(event, Outcome)} == {*committed, "last"}
    assert site.read("dead-letters") == []


def test_an_aborted_order_or_claim_changes_nothing(site: Site, undoing: Producer) -> None:
    with site.executor() as consumer:
        site.action("a1")
        running = next_is(consumer, "a1")
        site.order("paused")
        eventually(lambda: not consumer.may_act(running), within_s=5)
        write(site, undoing, site.ordered("running"))
        undoing.abort_transaction(PATIENCE_S)
        site.action("a2")
        assert refusal(site, consumer, "a2") == f"paused by {site.by()} (loop)"
        consumer.report(running, "failed")
        write(site, undoing, site.claim("a3"))
        undoing.abort_transaction(PATIENCE_S)
        site.order("running")
        eventually(lambda: consumer.why_paused(running) is None)
        site.action("a3")
        consumer.report(next_is(consumer, "a3"), "succeeded")
    assert site.told("a3") == [("x1", "claimed"), ("x1", "succeeded")]

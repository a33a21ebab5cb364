"""Executors on a real Kafka: each action at most once, never while stopped, every one with an end."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.kafka.launcher import LocalKafka
from schemas import kafka
from schemas.client import ActionConsumer
from schemas.client.duplicates import DuplicateStore
from schemas.events import DeadLetter, Event, Outcome, Presence
from schemas.ids import derive
from schemas.keyfiles import create_keys, keyring_text, load_signer, load_trust, revoke_key, rotate_key
from schemas.stop_file import StopFile
from tests.patience import PATIENCE_S, eventually
from tests.schemas.executors import SECOND_US, Site, next_is, now_us, refusal
from tests.schemas.people import Person


def test_an_action_is_claimed_handed_over_and_reported(site: Site) -> None:
    with site.executor() as consumer:
        sent = site.action("a1", parameters={"grace": "1s"})
        action = consumer.poll(PATIENCE_S)
        assert action == sent
        assert site.outcomes("a1") == ["claimed"]
        assert consumer.may_act(action)
        consumer.report(action, "succeeded", "restarted")
        assert site.outcomes("a1") == ["claimed", "succeeded"]
        with pytest.raises(ValueError, match="reported already"):
            consumer.report(action, "failed")


def test_a_duplicate_is_done_once_also_after_a_restart(site: Site) -> None:
    with site.executor() as consumer:
        site.action("a1")
        site.action("a1")
        first = consumer.poll(PATIENCE_S)
        assert first is not None
        consumer.report(first, "succeeded")
        site.action("a2")
        second = next_is(consumer, "a2")
        consumer.report(second, "succeeded")
    with site.executor() as consumer:
        site.action("a1")
        site.action("a3")
        next_is(consumer, "a3")
    assert site.outcomes("a1") == ["claimed", "succeeded"]


def test_of_two_memories_the_first_claim_wins(site: Site) -> None:
    """A second instance with a memory of its own reads the claim of the first before it decides."""
    with site.executor("x1") as first:
        site.action("a1")
        action = first.poll(PATIENCE_S)
        assert action is not None
        with site.executor("x2") as second:
            site.action("a1")
            assert second.poll(3) is None  # the partition may still be the first one's
        first.report(action, "succeeded")
    assert site.outcomes("a1") == ["claimed", "succeeded"]


def test_a_claim_that_comes_second_does_not_start(site: Site) -> None:
    """Both instances wrote a claim before either read the other's: the log decides."""
    with site.executor("x1", meanwhile=site.claim_of_another("a1")) as consumer:
        site.action("a1")
        site.action("a2")
        next_is(consumer, "a2")
    assert site.told("a1") == [("x9", "claimed"), ("x1", "claimed")]


def test_what_others_claimed_one_by_one_while_it_was_busy_it_does_not_claim(site: Site) -> None:
    with site.executor("x1") as consumer:
        site.action("a1")
        busy = next_is(consumer, "a1")
        for name in ("b1", "b2", "b3", "b4"):
            site.send(site.claim(name))
            _rest(consumer, 0.4)
        _rest(consumer, 3.0)
        site.action("b4")
        site.action("a2")
        consumer.report(busy, "succeeded")
        next_is(consumer, "a2")
    assert site.told("b4") == [("x9", "claimed")]


def _rest(consumer: ActionConsumer, seconds: float) -> None:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        consumer.rest(0.02)


def test_an_action_that_another_claimed_meanwhile_is_not_refused(site: Site) -> None:
    """The other one runs it: a refusal beside that would tell a lie about it."""
    with site.executor("x1", meanwhile=site.claim_of_another("a1")) as consumer:
        site.action("a1", expires_us=now_us() - 1, issued_us=now_us() + SECOND_US)
        site.action("a2")
        next_is(consumer, "a2")
    assert site.told("a1") == [("x9", "claimed")]


def test_an_end_says_in_its_id_who_told_it_and_what(site: Site) -> None:
    """Readers drop the second of two records with one id: it must never be the true end."""
    with site.executor("x1") as consumer:
        site.action("a1")
        consumer.report(next_is(consumer, "a1"), "succeeded")
    (_, end) = [event for event in site.read("outcomes") if isinstance(event, Outcome)]
    assert end.id == derive(site.loop, "a1", "ops", "x1", "end", "succeeded")


def test_what_was_left_without_an_end_becomes_unknown_at_the_next_start(site: Site) -> None:
    first = site.executor()
    first.start()
    site.action("a1")
    assert first.poll(PATIENCE_S) is not None
    first._in_flight.clear()  # dies here: no report, no goodbye
    first.close()
    with site.executor() as second:
        assert site.outcomes("a1") == ["claimed", "unknown"]
        assert second.poll(1) is None


def test_what_is_in_flight_at_a_clean_stop_becomes_unknown_at_once(site: Site) -> None:
    with site.executor() as consumer:
        site.action("a1")
        assert consumer.poll(PATIENCE_S) is not None
    assert site.outcomes("a1") == ["claimed", "unknown"]


def test_an_expired_action_is_refused(site: Site) -> None:
    with site.executor() as consumer:
        site.action("a1", expires_us=now_us() - 1, issued_us=now_us() + SECOND_US)
        assert refusal(site, consumer, "a1") == "expired"
        assert site.outcomes("a1") == ["refused"]


def test_an_action_older_than_the_memory_is_refused(site: Site) -> None:
    site.action("long-before", issued_us=1, expires_us=2)
    site.action("before")
    with site.executor() as consumer:
        assert refusal(site, consumer, "before") == "issued before this executor's memory began"
        assert refusal(site, consumer, "long-before") == "expired before this executor's memory began"


def test_a_memory_that_outlived_its_topic_begins_anew(site: Site) -> None:
    """It read further than `outcomes` reaches: the topic was made anew, and what was claimed in it is not known."""
    memory = DuplicateStore(site.folder / "x1", loop=site.loop, group="ops", cluster=site.audience.cluster, now_us=1)
    memory.fold(500, None)
    memory.close()
    site.send(site.claim("a1"))
    site.action("a1")
    site.action("a2")
    with site.executor("x1") as consumer:
        assert refusal(site, consumer, "a2") == "issued before this executor's memory began"
    assert site.told("a1") == [("x9", "claimed")]


def test_forged_actions_are_set_aside_unanswered(site: Site, tmp_path: Path) -> None:
    create_keys(tmp_path / "other")
    stranger = load_signer(tmp_path / "other", "actions", site.audience)
    insider = load_signer(site.keys, "outcomes", site.audience)
    with site.executor() as consumer:
        site.action("a1", signer=stranger)
        site.action("a2", signer=insider)
        site.action("a3")
        next_is(consumer, "a3")
    letters = [e for e in site.read("dead-letters") if isinstance(e, DeadLetter)]
    assert [letter.reason for letter in letters] == ["unknown-key", "wrong-purpose"]
    assert site.outcomes("a1") + site.outcomes("a2") == []


def test_a_pause_stops_what_would_start_and_what_runs(site: Site) -> None:
    with site.executor() as consumer:
        site.action("a1")
        running = next_is(consumer, "a1")
        assert consumer.may_act(running)
        site.order("paused")
        eventually(lambda: not consumer.may_act(running), within_s=5)
        site.action("a2")
        assert refusal(site, consumer, "a2") == f"paused by {site.by()} (loop)"
        site.order("running")
        eventually(lambda: consumer.may_act(running))
        site.order("paused", target="entity:web-1")
        eventually(lambda: consumer.why_not(running) == f"paused by {site.by()} (entity:web-1)", within_s=5)
        consumer.report(running, "failed")


def test_a_stop_file_stops_what_would_start_and_what_runs_and_presence_says_so(site: Site, tmp_path: Path) -> None:
    stop_file = StopFile(tmp_path / "STOP")
    with site.executor(stop_file=stop_file.path) as consumer:
        site.action("a1")
        running = next_is(consumer, "a1")
        assert consumer.may_act(running)
        stop_file.path.touch()
        assert consumer.why_not(running) == f"stop file {stop_file.path}"
        site.action("a2")
        assert refusal(site, consumer, "a2") == f"stop file {stop_file.path}"
        said = ("paused", f"stop file {stop_file.path}")
        eventually(lambda: (presences(site)[-1].state, presences(site)[-1].why) == said, within_s=6)
        stop_file.remove()
        assert consumer.may_act(running)
        site.action("a3")
        consumer.report(next_is(consumer, "a3"), "succeeded")
        consumer.report(running, "failed")
    assert site.outcomes("a2") == ["refused"]


def test_a_forged_resume_changes_nothing(site: Site, tmp_path: Path) -> None:
    create_keys(tmp_path / "other")
    with site.executor() as consumer:
        site.action("a1")
        action = next_is(consumer, "a1")
        site.order("paused")
        eventually(lambda: not consumer.may_act(action), within_s=5)
        site.order("running", signer=load_signer(tmp_path / "other", "control", site.audience))
        eventually(lambda: bool(presences(site)) and presences(site)[-1].control_offset == 3)
        assert not consumer.may_act(action)


def test_without_any_order_everything_is_paused(
    broker: LocalKafka, loop_on_kafka: Callable[..., str], tmp_path: Path
) -> None:
    site = Site(broker.connection, broker.cluster_id, loop_on_kafka(), tmp_path)
    with site.executor() as consumer:
        site.action("a1")
        assert "no pause/loop record" in refusal(site, consumer, "a1")


def test_an_order_is_obeyed_by_an_executor_that_starts_after_its_key_was_rotated(site: Site) -> None:
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("running")
    site.order("stopped", target="action:wipe", kind="stop")
    stopped_by, former = site.by(), load_signer(site.keys, "control", site.audience)
    rotate_key(site.keys, "control")
    site.order(keyring_text(site.keys), kind="keyring")
    site.order("rearmed", target="action:wipe", kind="rearm", signer=former)
    with site.executor() as consumer:
        site.action("a1", action="wipe")
        assert refusal(site, consumer, "a1") == f"stopped by {stopped_by} (action:wipe) until re-armed"
        site.action("a2", entity="web-2")
        next_is(consumer, "a2")


def test_a_new_keyring_is_adopted_from_control(site: Site) -> None:
    trust = load_trust(site.keys)
    with site.executor(trust=trust) as consumer:
        rotate_key(site.keys, "actions")
        site.order(keyring_text(site.keys), kind="keyring")
        eventually(lambda: trust.keyring.version == 3)
        site.action("a1")
        next_is(consumer, "a1")


def test_an_executor_checks_peoples_approvals_itself(site: Site) -> None:
    """Whatever the gate's key signs: an action that two people must approve does not start without both."""
    ada, bob, eve = Person("ada").join(site.keys, "approver"), Person("bob").join(site.keys, "approver"), Person("eve")
    with site.executor(approvals_least={"restart": 2}) as consumer:
        site.approved("a1", ada)
        site.approved("a2", ada, eve)
        site.approved("a3", ada, bob, entity="web-2", of="web-1")
        site.approved("a4", ada, bob)
        assert [answer.person for answer in next_is(consumer, "a4").answers] == ["ada", "bob"]
    letters = [event.reason for event in site.read("dead-letters") if isinstance(event, DeadLetter)]
    assert letters == ["too-few-approvals", "unknown-key", "other-approval"]
    assert site.outcomes("a1") + site.outcomes("a2") + site.outcomes("a3") == []


@pytest.mark.parametrize("whose", ["the approver's", "the gate's"])
def test_a_key_that_is_revoked_stops_what_it_let_through(site: Site, whose: str) -> None:
    ada = Person("ada").join(site.keys, "approver")
    with site.executor(trust=load_trust(site.keys)) as consumer:
        site.approved("a1", ada)
        running = next_is(consumer, "a1")
        assert consumer.may_act(running)
        gate = load_signer(site.keys, "actions", site.audience).key_id
        revoke_key(site.keys, ada.id if whose == "the approver's" else gate)
        site.order(keyring_text(site.keys), kind="keyring")
        eventually(lambda: not consumer.may_act(running), within_s=5)
        assert "is revoked" in (consumer.why_not(running) or "")
        site.approved("a2", ada)
        eventually(lambda: any(isinstance(event, DeadLetter) for event in consumed(site, consumer)))
        consumer.report(running, "failed", "its approval was withdrawn")
    assert site.outcomes("a2") == []


def consumed(site: Site, consumer: ActionConsumer) -> list[Event]:
    """Poll once, and return what lies on `dead-letters` then."""
    assert consumer.poll(0.2) is None
    return site.read("dead-letters")


def test_starts_are_capped_also_over_a_restart(site: Site) -> None:
    for number in range(2):
        with site.executor(start_limits=((100, 1_000_000), (2, 60_000_000))) as consumer:
            site.action(f"a{number}")
            consumer.report(next_is(consumer, f"a{number}"), "succeeded")
    with site.executor(start_limits=((100, 1_000_000), (2, 60_000_000))) as consumer:
        site.action("a2")
        assert refusal(site, consumer, "a2") == "this executor starts at most 2 actions per 60 s"


def test_a_wall_clock_that_jumps_ahead_gives_no_fresh_starts(site: Site) -> None:
    steps_us = [0]
    with site.executor(start_limits=((1, 60_000_000),), clock=lambda: now_us() + steps_us[-1]) as consumer:
        site.action("a1")
        consumer.report(next_is(consumer, "a1"), "succeeded")
        steps_us.append(61 * SECOND_US)
        site.action("a2", expires_us=now_us() + 120 * SECOND_US)
        assert refusal(site, consumer, "a2") == "this executor starts at most 1 actions per 60 s"


def test_presence_tells_state_and_what_is_in_flight(site: Site) -> None:
    with site.executor() as consumer:
        site.action("a1")
        assert consumer.poll(PATIENCE_S) is not None
        eventually(lambda: any(p.in_flight == ("a1",) and p.state == "running" for p in presences(site)))
        site.order("paused")
        eventually(lambda: presences(site)[-1].state == "paused", within_s=6)
        assert now_us() - presences(site)[-1].control_heard_us < 5 * SECOND_US
        assert presences(site)[-1].control_offset == 2
    assert presences(site)[-1].state == "stopping"


def presences(site: Site) -> list[Presence]:
    return [event for event in site.read("presence") if isinstance(event, Presence)]


def test_closing_right_after_the_start_returns(site: Site) -> None:
    """A member that has not joined yet: with static membership librdkafka would never return here."""
    for _ in range(3):
        started = time.monotonic()
        consumer = site.executor()
        consumer.start()
        consumer.close()
        assert time.monotonic() - started < 10


def test_stop_ends_the_iteration_from_another_thread(site: Site) -> None:
    with site.executor() as consumer:
        threading.Timer(0.5, consumer.stop).start()
        assert list(consumer) == []


def test_an_executor_that_never_hears_control_takes_nothing(site: Site) -> None:
    """The end of `control` beyond what can be read stands for a broker that does not answer."""
    consumer = site.executor(start_timeout_s=1.0)
    consumer._watch._tail.end = lambda _timeout: None  # type: ignore[method-assign]
    with consumer:
        site.action("a1")
        assert consumer.poll(2) is None
        assert site.outcomes("a1") == []
        assert not consumer._watch.is_heard()


def test_the_cluster_tells_its_id(broker: LocalKafka) -> None:
    assert kafka.cluster_id(broker.connection) == broker.cluster_id


def test_actions_of_other_names_are_left_to_another_group_and_it_does_them(site: Site) -> None:
    with site.executor("x1", group="valves") as valves, site.executor("x2", group="ops") as ops:
        site.action("a1", action="open")
        site.action("a2", action="restart", entity="web-2")
        opened = valves.poll(PATIENCE_S, names=("open",))
        assert opened is not None
        valves.report(opened, "succeeded")
        assert valves.poll(1, names=("open",)) is None
        restarted = ops.poll(PATIENCE_S, names=("restart",))
        assert restarted is not None
        ops.report(restarted, "succeeded")
    assert site.told("a1") == [("x1", "claimed"), ("x1", "succeeded")]
    assert site.told("a2") == [("x2", "claimed"), ("x2", "succeeded")]

"""What the gate tells of its limits: the same from a gate that lived on and from one that was restored."""

import msgspec
import pytest

from schemas.events import Blocked, Event
from streams.loop.actions import ActionSettings
from streams.loop.decode import make_decode
from streams.loop.gate import Gate, GateSettings, LevelSettings
from streams.loop.gate.orders import SCOPES_MAX, hear, stopped
from streams.loop.gate.state import Order, Orders, read_state
from streams.loop.processor import Now
from streams.loop.role import Role
from streams.loop.step import take_loss
from tests.loop.gate_bench import HOUR, SECOND, Bench, actions, census, control, opened, outcome, proposal

QUICK = {"restart": ActionSettings(name="restart", limit="1000/hour", cooldown_us=0)}

COOLS = {"restart": msgspec.structs.replace(QUICK["restart"], cooldown_us=HOUR)}


def ready(settings: GateSettings, default: str = "act") -> Bench:
    bench = Bench(settings=settings, levels=LevelSettings(default=default), actions=QUICK)  # type: ignore[arg-type]
    bench.start()
    return bench


def told(events: list[Event]) -> list[dict[str, int]]:
    return [event.until_us for event in events if isinstance(event, Blocked)]


def both(bench: Bench, settings: GateSettings, default: str, *events: Event) -> list[Event]:
    """Return what a gate answers, and see that one restored from its snapshot answers the same."""
    twin = Gate(
        settings,
        loop="lab",
        settings_hash=bench.hash,
        actions=QUICK,
        levels=LevelSettings(default=default),  # type: ignore[arg-type]
    )
    twin.restore(bench.gate.snapshot())
    again = Bench(settings=settings, actions=QUICK)
    again.gate, again.us, again._offset = twin, bench.us, bench._offset  # the same log, seen by another
    outputs = bench.give(*events)
    assert again.give(*events) == outputs
    assert again.gate.snapshot() == bench.gate.snapshot()
    return outputs


UNSURE = {"restart": 0.2, "none": 0.8}
SPENT: list[tuple[str, GateSettings, dict[str, object]]] = [
    # the level, what is spent at once, the proposal
    ("approve", GateSettings(escalation_limit="1/hour"), {}),
    ("act", GateSettings(explore_limit="1/hour"), {"probabilities": UNSURE}),
]


@pytest.mark.parametrize(("level", "settings", "fields"), SPENT)
def test_what_is_counted_for_no_scope_is_told_by_no_gate(
    level: str, settings: GateSettings, fields: dict[str, object]
) -> None:
    bench = ready(settings, level)
    bench.give(proposal("p1", **fields))
    assert told(both(bench, settings, level, census(abnormal=0, live=10))) == []


def test_an_action_is_blocked_as_soon_as_its_good_ends_are_too_old_to_count() -> None:
    settings = GateSettings(failed_least=2, failed_window_us=100 * SECOND, failed_share=0.5, entity_attempts="9/day")
    bench = ready(settings)

    def end(name: str, state: str) -> list[Event]:
        (action,) = actions(bench.give(proposal(name, time_us=bench.us)))
        return bench.give(outcome(action, state))

    for name, state, seconds in (("a", "succeeded", 1), ("b", "succeeded", 50), ("c", "failed", 1), ("d", "failed", 0)):
        end(name, state)
        bench.us += seconds * SECOND
    bench.us += 60 * SECOND
    found = told(both(bench, settings, "act", opened("e0"), census(abnormal=0, live=10, time_us=bench.us)))
    assert [list(one) for one in found] == [["action:restart"]]


NO_SCOPES = [
    ("level", "*/restart", "approve"),
    ("cancel", "some-action", "cancelled"),
    ("settle", "some-action", "failed"),
    ("pause", "everything", "paused"),
    ("pause", "entity:", "paused"),
    ("pause", "action:undeclared", "paused"),
    ("stop", "web-1", "stopped"),
]


@pytest.mark.parametrize(("kind", "target", "value"), NO_SCOPES)
def test_orders_that_block_no_scope_are_not_told_as_one(kind: str, target: str, value: str) -> None:
    bench = ready(GateSettings())
    order = msgspec.structs.replace(control(kind, target, value), until_us=bench.us + SECOND)
    assert told(both(bench, GateSettings(), "act", order)) == []


def test_a_gate_that_knows_nothing_of_what_it_told_tells_all_and_readers_forget_the_rest() -> None:
    bench = ready(GateSettings())
    known: dict[str, int] = {}
    (action,) = actions(outputs := bench.give(proposal("p1")))
    for event in outputs:
        if isinstance(event, Blocked):
            assert not event.whole
            event.bring_up_to_date(known)
    assert known == {f"entity:{action.entity}": 0}
    lost = Bench(settings=GateSettings(), actions=QUICK)
    (first,) = lost.give(control("pause", "loop", "running"))
    assert isinstance(first, Blocked)
    assert (first.whole, first.until_us) == (True, {})
    first.bring_up_to_date(known)
    assert known == {}
    assert lost.give(census(abnormal=0, live=10)) == []


def test_pauses_that_are_over_are_forgotten_where_there_are_too_many() -> None:
    over = {f"entity:x{number}": Order(paused=True, until_us=9, heard_us=0) for number in range(SCOPES_MAX - 3)}
    kept = {
        "loop": Order(paused=True, until_us=9, heard_us=0),
        "entity:a": Order(paused=True, until_us=11, heard_us=0),
        "entity:b": Order(paused=False, until_us=9, heard_us=0),
    }
    orders = Orders(pauses=over | kept, times_us={f"pause/{target}": 0 for target in over | kept})
    hear(orders, control("pause", "entity:c", "paused"), 10)
    assert list(orders.pauses) == [*kept, "entity:c"]
    assert list(orders.times_us) == [f"pause/{target}" for target in orders.pauses]
    assert orders.stops == []


def test_what_is_ordered_for_a_time_turns_when_it_has_come() -> None:
    bench, settings = ready(GateSettings()), GateSettings()
    start_us = bench.us
    orders = [("entity:a", "running", 20), ("entity:b", "paused", 10), ("entity:c", "running", 30)]
    for target, value, seconds in orders:
        order = control("pause", target, value)
        both(bench, settings, "act", msgspec.structs.replace(order, until_us=start_us + seconds * SECOND))
    heard = []
    for seconds in (5, 10, 20, 25, 30):
        bench.us = start_us + seconds * SECOND
        heard += told(both(bench, settings, "act", census(abnormal=0, live=10, time_us=bench.us)))
    assert heard == [{"entity:a": 0}, {"entity:c": 0}]


def test_more_stops_than_can_be_remembered_stop_the_loop() -> None:
    running = {"loop": Order(paused=False, until_us=None, heard_us=0)}
    stops = sorted(f"entity:x{number}" for number in range(SCOPES_MAX - 2))
    orders = Orders(pauses=running, stops=stops, times_us={"pause/loop": 0} | {f"stop/{target}": 0 for target in stops})
    heard = []
    for number in range(3):
        hear(orders, msgspec.structs.replace(control("stop", f"entity:y{number}", ""), id=str(number)), 1)
        heard.append((stopped(orders, "loop", 1)[0], len(orders.stops)))
    assert heard == [(False, SCOPES_MAX - 1), (True, SCOPES_MAX), (True, SCOPES_MAX)]


def test_that_an_order_of_too_much_stops_the_loop_is_told_at_once() -> None:
    bench = ready(GateSettings())
    bench.give(census(abnormal=0, live=10))
    state = read_state(bench.gate.snapshot())
    state.orders.times_us |= {f"pause/entity:x{number}": 0 for number in range(SCOPES_MAX)}
    bench.gate.restore(msgspec.msgpack.encode(state))
    calm = census(abnormal=0, live=10, time_us=bench.us + 1)
    assert told(bench.give(calm, control("pause", "entity:y", "paused"))) == [{"loop": 0}]


@pytest.mark.parametrize("restored", [False, True])
def test_after_a_loss_all_that_is_blocked_is_told_again_and_nothing_else(*, restored: bool) -> None:
    settings = GateSettings(protected=("e7",), pattern_limit="1/hour", entity_attempts="1/hour")
    bench = Bench(settings=settings, levels=LevelSettings(default="act"), actions=COOLS)
    known: dict[str, int] = {}

    def hear(events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Blocked):
                event.bring_up_to_date(known)

    hear(bench.give(control("settings", "loop", bench.hash), control("pause", "loop", "running")))
    hear(bench.give(control("pause", "entity:e9", "paused"), opened("e0"), opened("e1"), opened("e2")))
    begun = bench.give(*(proposal(f"p{n}", entity=f"e{n}", episode=f"episode-e{n}", pattern=f"q{n}") for n in (1, 2)))
    hear(begun)
    bench.us += SECOND
    hear(bench.give(outcome(actions(begun)[0], "succeeded")))
    assert set(known) == {"entity:e1", "entity:e2", "entity:e7", "entity:e9", "pattern:q1", "pattern:q2"}
    before = dict(known)
    known["entity:e3"] = 0  # told in a step that is left out
    role = Role(name="gate", loop="lab", processors=[bench.gate], decode=make_decode())
    take_loss(role, (), Now(bench.us, bench.us), loop="lab")
    if restored:
        bench.gate.restore(bench.gate.snapshot())
    hear(bench.give(census(abnormal=0, live=10)))
    assert known == before

"""Time of simulated instances, by hand."""

from streams.replay.clock import InstanceClock, SimulatedClock

SECOND_US = 1_000_000
START_US = 1_000 * SECOND_US


def started(*, error_s: int) -> tuple[SimulatedClock, InstanceClock]:
    machine = SimulatedClock(start_us=START_US)
    machine.error_us = error_s * SECOND_US
    return machine, InstanceClock(machine, floor_us=0)


def test_it_keeps_the_error_it_was_started_with_until_the_machine_is_set_right() -> None:
    machine, clock = started(error_s=-3)
    clock.put_right(machine.true_us)
    assert clock.now_us() == START_US - 3 * SECOND_US
    machine.error_us = 0
    assert clock.now_us() == START_US - 3 * SECOND_US
    clock.put_right(machine.true_us)
    assert clock.now_us() == START_US


def test_time_stands_still_until_it_has_caught_up() -> None:
    machine, clock = started(error_s=4)
    before_us = clock.now_us()
    machine.error_us = 0
    clock.put_right(machine.true_us)
    machine.advance_to(START_US + 4 * SECOND_US)
    assert clock.now_us() == before_us
    machine.advance_to(START_US + 5 * SECOND_US)
    assert clock.now_us() == before_us + SECOND_US


def test_what_was_heard_keeps_its_age() -> None:
    machine, clock = started(error_s=-3)
    assert clock.heard_us() == 0
    clock.hear()
    machine.advance_to(START_US + 2 * SECOND_US)
    machine.error_us = 0
    clock.put_right(machine.true_us)
    assert clock.now_us() - clock.heard_us() == 2 * SECOND_US

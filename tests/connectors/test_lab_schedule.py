"""The injector's schedule, over simulated time."""

from collections import Counter

from connectors.lab.faults import KINDS
from connectors.lab.schedule import Schedule
from connectors.lab.settings import LabSettings

TICK_US = 50_000


def deal(settings: LabSettings, *, seconds: int, fault_s: float) -> list[tuple[int, str, str]]:
    """Return (time, kind, service) of every fault, when each lasts `fault_s`."""
    schedule = Schedule(settings)
    until_us: dict[str, int] = {}
    dealt = []
    for now_us in range(0, seconds * 1_000_000, TICK_US):
        faulty = [entity for entity, end_us in until_us.items() if end_us > now_us]
        rested = [e for e in settings.entities() if until_us.get(e, -settings.rest_us) + settings.rest_us <= now_us]
        due = schedule.due(now_us=now_us, healthy=rested, faulty=len(faulty))
        if due is not None:
            kind, entity = due
            until_us[entity] = now_us + round(fault_s * 1e6)
            dealt.append((now_us, kind, entity))
    return dealt


def test_a_run_of_150_seconds_has_enough_faults_of_each_kind() -> None:
    for seed in range(20):
        dealt = deal(LabSettings(seed=seed), seconds=150, fault_s=11)
        counts = Counter(kind for _, kind, _ in dealt)
        assert len(dealt) >= 38
        assert set(counts) == set(KINDS)
        assert min(counts.values()) >= 4


def test_nothing_fails_before_the_warm_up_is_over() -> None:
    settings = LabSettings()
    assert deal(settings, seconds=150, fault_s=5)[0][0] >= settings.warm_up_us


def test_no_more_services_fail_at_once_than_allowed() -> None:
    settings = LabSettings(most_faults_at_once=3, fault_every_us=500_000)
    times = [time_us for time_us, _, _ in deal(settings, seconds=150, fault_s=20)]
    assert len(times) > 3
    assert all(later - earlier >= 20_000_000 for earlier, later in zip(times, times[3:], strict=False))


def test_the_same_seed_deals_the_same_faults_and_another_does_not() -> None:
    first = deal(LabSettings(seed=1), seconds=100, fault_s=5)
    assert deal(LabSettings(seed=1), seconds=100, fault_s=5) == first
    assert deal(LabSettings(seed=2), seconds=100, fault_s=5) != first

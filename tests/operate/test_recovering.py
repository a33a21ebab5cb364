from schemas.events import Control
from streams.operate.recovering import holds_until, longest_interval_us
from streams.settings import parse

HOUR_US = 3_600_000_000


def test_after_lost_state_the_loop_rests_for_the_longest_interval_of_any_limit() -> None:
    text = '[loop]\nname = "x"\n[policy]\nbaseline = "restart"\n[gate]\nloop_limit = "9/hour"\n'
    hourly = text + 'pattern_limit = "9/hour"\n' + 'entity_attempts = "3/hour"\n[actions.restart]\nlimit = "{}"\n'
    assert longest_interval_us(parse(hourly.format("1/10m"), name="loop.toml")) == 24 * HOUR_US, "what costs count for"
    assert longest_interval_us(parse(hourly.format("1/10m and 5/week"), name="loop.toml")) == 7 * 24 * HOUR_US


def pause(value: str, until_us: int | None = None) -> Control:
    return Control(id="c", time_us=0, kind="pause", target="loop", value=value, by="ada", until_us=until_us)


def test_a_rest_after_lost_state_never_shortens_what_a_person_ordered() -> None:
    assert holds_until(pause("paused"), HOUR_US)
    assert holds_until(pause("paused", 2 * HOUR_US), HOUR_US)
    assert holds_until(None, HOUR_US)


def test_a_loop_that_would_run_before_the_rest_is_over_is_paused() -> None:
    assert not holds_until(pause("running"), HOUR_US)
    assert not holds_until(pause("paused", HOUR_US - 1), HOUR_US)

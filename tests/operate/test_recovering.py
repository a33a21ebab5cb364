from streams.operate.recovering import longest_interval_us
from streams.settings import parse

HOUR_US = 3_600_000_000


def test_after_lost_state_the_loop_rests_for_the_longest_interval_of_any_limit() -> None:
    text = '[loop]\nname = "x"\n[policy]\nbaseline = "restart"\n[gate]\nloop_limit = "9/hour"\n'
    hourly = text + 'pattern_limit = "9/hour"\n' + 'entity_attempts = "3/hour"\n[actions.restart]\nlimit = "{}"\n'
    assert longest_interval_us(parse(hourly.format("1/10m"), name="loop.toml")) == HOUR_US
    assert longest_interval_us(parse(hourly.format("1/10m and 5/day"), name="loop.toml")) == 24 * HOUR_US

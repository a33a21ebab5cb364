import pytest

from streams.learners.signature import describe, direction, distance, moved_towards


@pytest.mark.parametrize("factor", [0.8, 1.5, 3.0])
def test_amplitude_hardly_changes_the_direction(factor):
    moments = {"memory": (8.0, 9.0, 1.0), "latency": (6.0, 8.0, 2.0), "cpu": (-7.0, -8.0, 0.0)}
    scaled = {name: tuple(factor * part for part in parts) for name, parts in moments.items()}
    assert distance(direction(moments), direction(scaled)) < 0.03


@pytest.mark.parametrize(
    ("first", "second", "near"),
    [
        ({"cpu": (9.0, 9.0, 0.0)}, {"cpu": (9.0, 9.0, 0.0), "disk": (1.0, 1.9, 0.5)}, True),  # noise counts as nothing
        ({"cpu": (9.0, 9.0, 0.0)}, {"cpu": (-9.0, -9.0, 0.0)}, False),  # the other way
        ({"cpu": (9.0, 9.0, 0.0)}, {"memory": (9.0, 9.0, 0.0)}, False),  # another metric
        ({"cpu": (9.0, 9.0, 0.0)}, {"cpu": (9.0, 9.0, 0.0), "memory": (9.0, 9.0, 0.0)}, False),  # one more metric
        ({"cpu": (1.0, 1.0, 0.0)}, {}, True),  # nothing and nothing
        ({"cpu": (9.0, 9.0, 0.0)}, {}, False),
    ],
)
def test_what_is_alike_is_near(first, second, near):
    assert (distance(direction(first), direction(second)) < 0.16) == near


def test_moving_towards_a_direction_ends_there():
    start, end = direction({"cpu": (9.0, 9.0, 0.0)}), direction({"memory": (9.0, 9.0, 0.0)})
    assert distance(moved_towards(start, end, 1.0), end) == pytest.approx(0)
    assert distance(moved_towards(start, end, 0.5), start) == pytest.approx(
        distance(moved_towards(start, end, 0.5), end)
    )


@pytest.mark.parametrize(
    ("moments", "name"),
    [
        ({"memory_mb": (9.0, 9.0, 0.0), "latency_ms": (4.0, 10.0, 3.0)}, "memory_mb up, then latency_ms up"),
        ({"throughput": (-9.0, -9.0, 0.0), "errors": (9.0, 10.0, 0.0)}, "errors up and throughput down"),
        ({"disk": (1.0, 1.0, 0.0)}, "no metric moved"),
    ],
)
def test_a_pattern_is_named_by_what_moved_in_which_order(moments, name):
    assert describe(direction(moments)) == name

import pytest

from schemas.events import MetricSignature
from streams.learners.signature import describe, half_way, signature_of


@pytest.mark.parametrize(
    ("series", "name"),
    [
        ({"memory_mb": (9, 9, 9, 9), "latency_ms": (0, 1, 5, 9)}, "memory_mb up, then latency_ms up"),
        ({"throughput": (-8, -9, -9, -9), "errors": (9, 10, 9, 9)}, "errors up and throughput down"),
        ({"cpu": (9, 9), "disk": (1, 2)}, "cpu up"),  # small beside the strongest
        ({"a": (9, 9), "b": (8, 8), "c": (7, 7), "d": (6, 6)}, "a up and b up and c up"),
        ({"disk": (1, 1)}, "no metric moved"),
        ({}, "no metric moved"),
        ({"cpu": (9,), "event deploy": (6,)}, "cpu up, with event deploy"),
    ],
)
def test_a_pattern_is_named_by_what_moved_in_which_order(series, name):
    assert describe(series) == name


@pytest.mark.parametrize(
    ("series", "window"),
    [((9, 9), 0), ((0, 8), 0.5), ((0, 2, 8), pytest.approx(4 / 3)), ((-1, -4, -8), 1), ((0, 0), 0)],
)
def test_half_way_is_where_a_series_first_gets_half_as_far_as_it_goes(series, window):
    assert half_way(series) == window


def test_a_signature_holds_mean_peak_and_slope_of_each_series_and_the_series():
    found = signature_of({"cpu": [4.0, 5.0, 6.0], "disk": [-2.0, -2.0, -3.00004]})
    assert found["cpu"] == MetricSignature(mean=5, peak=6, trend=1, series=(4.0, 5.0, 6.0))
    assert found["disk"].peak == -3.00004
    assert found["disk"].series == (-2.0, -2.0, -3.0)


def test_a_single_window_has_no_trend():
    assert signature_of({"cpu": [4.0]})["cpu"] == MetricSignature(mean=4, peak=4, trend=0, series=(4.0,))

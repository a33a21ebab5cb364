import pytest

from streams.loop.detect.shape import MOST_PARTS, Shape


def shape_of(flags: str) -> Shape:
    """Fold windows 1, 2, 3, ... of cpu; `.` is a normal one."""
    shape = Shape()
    for number, flag in enumerate(flags, start=1):
        shape.add({"cpu": float(number)}, normal=flag == ".")
    return shape


def cpu(shape: Shape) -> list[float]:
    return [row["cpu"] for row in shape.series()]


@pytest.mark.parametrize(
    ("flags", "windows"),
    [("###", 3), ("###...", 3), ("##..#...", 5), ("#", 1)],
)
def test_it_ends_with_the_last_abnormal_window(flags, windows):
    assert cpu(shape_of(flags)) == list(range(1, windows + 1))


def test_a_long_one_is_told_in_parts_of_equal_length():
    shape = shape_of("#" * (2 * MOST_PARTS))
    assert cpu(shape) == [2 * part + 1.5 for part in range(MOST_PARTS)]


@pytest.mark.parametrize("windows", [1, 16, 17, 33, 100, 1_000])
def test_it_is_bounded_and_its_mean_is_that_of_all_windows(windows):
    shape = shape_of("#" * windows)
    assert len(shape.parts) <= MOST_PARTS
    assert sum(cpu(shape)) / len(shape.parts) == pytest.approx((windows + 1) / 2)


def test_all_parts_are_of_one_length_whatever_is_in_the_last():
    # 33 windows are 9 parts of 3.67: what happens in the last one alone is 1 of those
    shape = Shape()
    for number in range(33):
        shape.add({"cpu": 11.0} if number == 32 else {}, normal=False)
    assert [row["cpu"] for row in shape.series()] == pytest.approx([0.0] * 8 + [3.0])


def test_a_metric_that_comes_late_was_at_its_normal_before():
    shape = Shape()
    for number in range(2 * MOST_PARTS):
        shape.add({"cpu": 4.0} | ({"disk": 6.0} if number % 2 else {}), normal=False)
    assert shape.series()[0] == {"cpu": 4.0, "disk": 3.0}

import numpy as np
import pytest

from streams.learners.whole_shape import PARTS, in_parts


@pytest.mark.parametrize("windows", [PARTS, 2 * PARTS, 5 * PARTS])
def test_a_slow_occurrence_has_the_shape_of_a_quick_one(windows):
    values = np.repeat(np.arange(PARTS, dtype=float), windows // PARTS).tolist()
    assert in_parts({"cpu": values})["cpu"] == pytest.approx(range(PARTS))


@pytest.mark.parametrize("windows", [1, 2, 5, 7, 13, 60])
def test_the_mean_over_all_parts_is_that_over_all_windows(windows):
    values = np.random.default_rng(windows).normal(size=(2, windows))
    shape = in_parts({"cpu": values[0].tolist(), "disk": values[1].tolist()})
    assert [len(parts) for parts in shape.values()] == [PARTS, PARTS]
    assert np.mean(list(shape.values()), axis=1) == pytest.approx(values.mean(axis=1))


def test_of_one_window_all_parts_are_the_same():
    assert in_parts({"cpu": (3.0,)}) == {"cpu": (3.0,) * PARTS}


def test_a_part_may_begin_within_a_window():
    # the third part goes from 2/8 to 3/8 of the three windows: 0.75 to 1.125, of which a third is in the second window
    assert in_parts({"cpu": (0.0, 8.0, 8.0)})["cpu"][2] == pytest.approx(8 / 3)

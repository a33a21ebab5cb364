import numpy as np
import pytest

from streams.learners.room import room_for, widened


@pytest.mark.parametrize(
    ("rows", "room", "limit", "made"),
    [(5, 8, 10, 8), (9, 8, 100, 16), (9, 8, 10, 10), (9, 8, None, 16), (40, 8, 100, 40), (1, 0, 10, 1)],
)
def test_room_doubles_but_never_beyond_the_limit(rows, room, limit, made):
    assert room_for(rows, room, limit=limit) == made


def test_a_widened_table_keeps_what_it_held_and_its_type():
    table = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    wide = widened(table, (4, 3, 5), np.nan)
    assert wide.dtype == np.float32
    assert np.array_equal(wide[:2, :, :2], table)
    assert np.isnan(wide[2:]).all()
    assert np.isnan(wide[..., 2:]).all()

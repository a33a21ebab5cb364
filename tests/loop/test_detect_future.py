"""Nothing that detect says of a row depends on the rows after it."""

import numpy as np

from tests.bench.series import opened_rows, settings_of


def test_the_episodes_of_a_truncated_series_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    values = 50 + rng.normal(size=500)
    values[[200, 330, 450]] += 40
    times_us = 1_400_000_000_000_000 + np.arange(500) * 300_000_000
    whole = opened_rows(times_us, values, settings_of())
    assert len(whole) >= 3
    for stop in (230, 400):
        truncated = opened_rows(times_us[:stop], values[:stop], settings_of())
        assert truncated.tolist() == whole[whole < stop].tolist()

"""A recorded series through the product: which of its rows open an episode."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from schemas.events import Episode, Telemetry
from streams.app import make_decoded_role
from streams.loop.role import Role
from streams.replay import Driver, DriverSettings
from streams.replay.backtest import NEVER_US, RecordedWorld
from streams.replay.reading import read_events
from streams.settings import Settings
from streams.settings.read import parse

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

ENTITY, METRIC = "series", "value"
STEP_US = 86_400_000_000
"""Time whose samples one step takes; any other would give the same events."""
LOOP_TOML = """\
[loop]
name = "bench"

[telemetry]
partitions = 1

[detect]
window = "0s"          # every sample is a window
idle = "7d"            # the samples lie minutes to hours apart
gone = "30d"
census = "365d"        # nobody reads it here
{more}
[policy]
baseline = "inspect"

[actions.inspect]
cost = 0.05
"""
"""All that is set beside the defaults; `{more}` takes lines for the section `detect`."""


def settings_of(more: str = "") -> Settings:
    """Return the settings of the loop that a series runs through."""
    return parse(LOOP_TOML.format(more=more), name="loop.toml")


def opened_rows(times_us: Ints, values: Floats, settings: Settings) -> Ints:
    """Return the rows at which detect opened an episode, one sample a row, by way of the broker-free driver."""
    samples = [
        Telemetry(entity=ENTITY, time=time_us, values={METRIC: value})
        for time_us, value in zip(times_us.tolist(), values.tolist(), strict=True)
    ]
    driver = Driver(
        settings=DriverSettings(
            loop=settings.loop.name,
            start_us=int(times_us.min()) - 1,
            tick_us=STEP_US,
            partitions=1,
            executors=0,
            steps_per_snapshot=NEVER_US,
            roles=("detect",),
        ),
        make_role=partial(_role, settings),
        world=RecordedWorld(samples),
    )
    driver.run(telemetry_events=len(samples))
    opened = [
        event.opened_us
        for _, event in read_events(driver.log, "insights", 0, 0)
        if isinstance(event, Episode) and event.phase == "opened"
    ]
    first_rows = {time_us: row for row, time_us in reversed(list(enumerate(times_us.tolist())))}
    return np.array([first_rows[time_us] for time_us in opened], np.int64)


def flags_of(rows: Sequence[int] | Ints, size: int) -> Floats:
    """Return 1.0 at the given rows, 0.0 elsewhere."""
    flags = np.zeros(size)
    flags[np.asarray(rows, np.int64)] = 1.0
    return flags


def _role(settings: Settings, role: str, partition: int) -> Role:
    return make_decoded_role(settings, role=role, partition=partition)

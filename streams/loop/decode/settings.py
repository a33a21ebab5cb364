"""What the operator says about incoming telemetry (`[telemetry]` in `loop.toml`)."""

from typing import Literal

import msgspec

_DAY_US = 86_400_000_000


class FieldMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where foreign JSON on `raw` keeps what a sample needs; `a.b` names the member `b` of the member `a`.

    `values`: paths to numbers, or to objects whose numbers all count; none: every number at the top level.
    `time_unit` `auto` tells seconds, milliseconds, microseconds and nanoseconds apart by size (years 1973 to 5138).
    `attributes`: name to path; the attribute `group` puts the entity into a group.
    """

    entity: str = "entity"
    time: str = "time"
    values: tuple[str, ...] = ()
    event: str | None = None
    attributes: dict[str, str] = {}
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"


class TelemetrySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Format of `raw` (`telemetry` is always in Flyball's), and how far from now (us) a sample may lie."""

    partitions: int = 4
    format: Literal["flyball", "fields"] = "flyball"
    fields: FieldMapping = FieldMapping()
    past_us: int = 5 * 365 * _DAY_US
    future_us: int = _DAY_US

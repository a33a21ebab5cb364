"""What may be set about the lab."""

from typing import Annotated

import msgspec

from connectors.lab.faults import KINDS

Positive = Annotated[float, msgspec.Meta(gt=0)]
Microseconds = Annotated[int, msgspec.Meta(ge=0)]


class LabSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Size, load and faults of the lab. Times in us; `folder` takes its logs, journals and the control file."""

    folder: str = "var/lab"
    seed: int = 7
    services: Annotated[int, msgspec.Meta(ge=1, le=99)] = 12
    requests_per_s: Positive = 10.0
    """Normal load of each service."""
    overload_factor: Positive = 6.0
    request_timeout_us: Microseconds = 400_000
    good_us: Microseconds = 80_000
    """A request is good when it succeeds within this time."""
    sample_us: Annotated[int, msgspec.Meta(ge=50_000)] = 500_000
    warm_up_us: Microseconds = 18_000_000
    fault_us: Microseconds = 20_000_000
    """A fault ends by itself after this time."""
    fault_every_us: Annotated[int, msgspec.Meta(ge=100_000)] = 2_400_000
    """Mean time from one fault to the next."""
    most_faults_at_once: Annotated[int, msgspec.Meta(ge=0)] = 6
    rest_us: Microseconds = 6_000_000
    """No new fault on a service for this long after one ended, or after an action."""
    apart_us: Microseconds = 30_000_000
    """Nor for this long after one began: a second fault would blur the measured outcome of the first."""
    kinds: tuple[str, ...] = tuple(KINDS)
    boot_us: Microseconds = 1_000_000
    """How long a restarted service takes before it answers."""
    cold_boot_us: Microseconds = 5_000_000
    shed_us: Microseconds = 20_000_000
    """How long `shed_load` turns away what exceeds the normal load."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.kinds) - set(KINDS))
        if unknown:
            raise ValueError(f"kinds must be some of {', '.join(KINDS)}, got {', '.join(unknown)}")

    def entities(self) -> tuple[str, ...]:
        """Return the names of the services."""
        return tuple(f"service-{number:02d}" for number in range(1, self.services + 1))

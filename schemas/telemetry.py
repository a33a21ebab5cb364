"""What a sample of telemetry may be: one set of limits for who writes it and who reads it."""

import math

from .errors import ContractError
from .events import Telemetry

ENTITY_LIMIT = 256
"""Longest entity name, in characters."""
METRIC_LIMIT = 128
"""Longest metric name, in characters."""
METRICS_LIMIT = 256
"""Most metrics in one sample."""
TEXT_LIMIT = 256
"""Longest event token and longest attribute value, in characters."""
ATTRIBUTES_LIMIT = 64
"""Most attributes of one sample."""


def check_entity(entity: str) -> None:
    """Raise `ContractError` when a name is no entity: empty, too long, or with control characters."""
    if not entity or len(entity) > ENTITY_LIMIT:
        raise ContractError("bad-entity", f"expected 1 to {ENTITY_LIMIT} characters, got {len(entity)}")
    if not entity.isprintable():
        raise ContractError("bad-entity", f"expected printable characters, got {entity[:40]!r}")


def check_metric(name: str) -> None:
    """Raise `ContractError` when a name is no metric."""
    if not name or len(name) > METRIC_LIMIT:
        raise ContractError("bad-metric", f"expected 1 to {METRIC_LIMIT} characters, got {len(name)}")
    if not name.isprintable():
        raise ContractError("bad-metric", f"expected printable characters, got {name[:40]!r}")


def check_sample(sample: Telemetry) -> None:
    """Raise `ContractError` when a sample breaks a limit or holds a value that is not finite (time aside)."""
    check_entity(sample.entity)
    if len(sample.values) > METRICS_LIMIT:
        raise ContractError("too-many-metrics", f"expected at most {METRICS_LIMIT}, got {len(sample.values)}")
    for name, value in sample.values.items():
        check_metric(name)
        if not math.isfinite(value):
            raise ContractError("not-finite", f"expected a finite number as {name[:40]}, got {value}")
    if sample.event is not None and not 0 < len(sample.event) <= TEXT_LIMIT:
        raise ContractError("bad-event", f"expected 1 to {TEXT_LIMIT} characters, got {len(sample.event)}")
    if not sample.values and sample.event is None:
        raise ContractError("empty-sample", "expected at least one value or an event")
    check_attributes(sample.attributes)


def check_attributes(attributes: dict[str, str]) -> None:
    """Raise `ContractError` when attributes break a limit."""
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise ContractError("bad-attributes", f"expected at most {ATTRIBUTES_LIMIT}, got {len(attributes)}")
    if any(len(name) > METRIC_LIMIT or len(text) > TEXT_LIMIT for name, text in attributes.items()):
        raise ContractError("bad-attributes", f"expected at most {TEXT_LIMIT} characters each")

"""From bytes to inputs: events with their signatures checked, telemetry as columns, every fault with its reason."""

from typing import TYPE_CHECKING

from streams.loop.decode.settings import FieldMapping, TelemetrySettings
from streams.loop.on_demand import on_demand

if TYPE_CHECKING:
    from streams.loop.decode.decoder import LoopDecode, make_decode

__all__ = ["FieldMapping", "LoopDecode", "TelemetrySettings", "make_decode"]

__getattr__ = on_demand(__name__, LoopDecode="decoder", make_decode="decoder")

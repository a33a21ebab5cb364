"""What other people's programs import: publish telemetry, take actions. Needs confluent-kafka (extra `kafka`)."""

from .consumer import ActionConsumer
from .producer import Delivery, TelemetryProducer

__all__ = ["ActionConsumer", "Delivery", "TelemetryProducer"]

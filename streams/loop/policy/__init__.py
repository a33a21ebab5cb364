"""Policy: one proposal per recurring or novel episode, with the exact probability with which it was chosen."""

from typing import TYPE_CHECKING

from streams.loop.on_demand import on_demand
from streams.loop.policy.renewal_settings import RenewalSettings
from streams.loop.policy.settings import PolicySettings

if TYPE_CHECKING:
    from streams.loop.policy.processor import Policy

__all__ = ["Policy", "PolicySettings", "RenewalSettings"]

__getattr__ = on_demand(__name__, Policy="processor")

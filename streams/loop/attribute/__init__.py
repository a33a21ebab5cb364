"""Attribute: what became of each proposal, joined from verdict, outcome and measurements."""

from typing import TYPE_CHECKING

from streams.loop.attribute.settings import AttributeSettings
from streams.loop.on_demand import on_demand

if TYPE_CHECKING:
    from streams.loop.attribute.processor import Attribute

__all__ = ["Attribute", "AttributeSettings"]

__getattr__ = on_demand(__name__, Attribute="processor")

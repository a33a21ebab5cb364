"""Attribute: what became of each proposal, joined from verdict, outcome and measurements."""

from streams.loop.attribute.processor import Attribute
from streams.loop.attribute.settings import AttributeSettings

__all__ = ["Attribute", "AttributeSettings"]

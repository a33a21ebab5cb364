"""Memories of bounded size: the oldest goes first."""

from collections import OrderedDict
from typing import TypeVar

Value = TypeVar("Value")


def remember(known: OrderedDict[str, None], key: str, limit: int) -> None:
    """Note a key as the latest, and forget the oldest ones beyond the limit."""
    known[key] = None
    if len(known) > limit:
        forget_oldest(known, limit)


def forget_oldest(known: OrderedDict[str, Value], limit: int) -> None:
    """Forget the oldest keys beyond the limit."""
    while len(known) > limit:
        known.popitem(last=False)

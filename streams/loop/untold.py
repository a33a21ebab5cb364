"""What found no room and is still to be told, as a snapshot holds it."""

import msgspec


class Untold(msgspec.Struct, array_like=True):
    """What is still to be told, and when something was told last."""

    rows: int
    names: list[str]
    told_us: int | None

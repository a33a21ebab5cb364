"""How this process's C heap behaves: a worker takes and frees megabytes many times a second, for months."""

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
LARGE = 1 << 20
"""Blocks of so many bytes, and free heap of so many, go back to the system at once."""
ARENAS = 2


def keep_heap_small() -> bool:
    """Make glibc give back what is freed; returns False where there is no glibc.

    By itself it raises the size from which blocks are mapped, up to 32 MB, as soon as one is freed, and has eight
    arenas per core: fetches then lie in heaps that fragment and only grow. To be called before threads begin.
    Source: mallopt(3). What a person has set (`MALLOC_*`, `GLIBC_TUNABLES`) stays.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    if not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        for parameter, value in ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, LARGE), (_M_TRIM_THRESHOLD, LARGE)):
            mallopt(parameter, value)
    return True


__all__ = ["keep_heap_small"]

"""How this process's C heap behaves: a worker takes and frees megabytes many times a second, for months."""

import ctypes
import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
KEPT_BYTES = 32 << 20
"""So much free heap is kept for what comes next; blocks of so many bytes and more are mapped apart."""
ARENAS = 2


def tune_heap() -> None:
    """Make glibc keep a bounded heap; elsewhere do nothing.

    By itself it gives back the top of a heap as soon as 128 KiB are free, so that computing, which frees and takes a
    megabyte again and again, waits half of its time for pages that the kernel clears; and every thread may have an
    arena of its own, where fetches fragment and memory only grows. To be called before threads begin. Source:
    mallopt(3). What a person has set (`MALLOC_*`, `GLIBC_TUNABLES`) stays.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None and not any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        for option, value in ((_M_ARENA_MAX, ARENAS), (_M_MMAP_THRESHOLD, KEPT_BYTES), (_M_TRIM_THRESHOLD, KEPT_BYTES)):
            mallopt(option, value)


def trim_heap() -> None:
    """Give back what is free, also in the midst of the heap; elsewhere than with glibc do nothing.

    A worker that caught up with what a stalled broker held back would else keep that burst's memory for good. It takes
    some milliseconds. Source: malloc_trim(3).
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(ctypes.c_size_t(0))

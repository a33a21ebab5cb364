"""How the C library treats memory that was freed: kept for the next computation instead of given back at once.

By default glibc gives the top of a heap back as soon as 128 KiB of it are free, and maps larger blocks apart. Judging
some hundred windows frees and takes a megabyte again and again, and half of its time went into pages that the kernel
must clear anew (mallopt(3)).
"""

import ctypes

KEPT_BYTES = 32 * 1_048_576
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> bool:
    """Keep up to `KEPT_BYTES` per heap; returns whether the C library can be told so (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(mallopt(option, KEPT_BYTES) == 1 for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))

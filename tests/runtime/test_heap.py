"""Large blocks go back to the system when they are freed, whatever was freed before."""

import ctypes
import os
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from streams.runtime.heap import keep_heap_small

if sys.argv[1] == "kept":
    keep_heap_small()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
libc.free(libc.malloc(20 << 20))  # glibc now takes blocks of this size from the heap

class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in
        ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")]

libc.mallinfo2.restype = Info
before = libc.mallinfo2().hblkhd
libc.malloc(10 << 20)
print(libc.mallinfo2().hblkhd - before >= 10 << 20)
"""


def is_mapped(how: str, **set_by_hand: str) -> bool:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], env=environment | set_by_hand, capture_output=True, text=True, check=True
    )
    return told.stdout.strip() == "True"


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc 2.33 or later tells what is mapped")
def test_a_large_block_is_mapped_after_a_larger_one_was_freed() -> None:
    assert not is_mapped("as it is")
    assert is_mapped("kept")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="only glibc 2.33 or later tells what is mapped")
def test_what_a_person_has_set_stays() -> None:
    assert not is_mapped("kept", MALLOC_MMAP_THRESHOLD_=str(64 << 20))

"""What can be wrong with a loop at 3 a.m., each with what to do about it."""

from streams.operate.doctor.examine import examine
from streams.operate.doctor.finding import Finding

__all__ = ["Finding", "examine"]

"""zlib's streams, by the quickest code that this system has: what one writes, the other reads.

Not by ISA-L, which is quicker still: it leaves the upper halves of vector registers in use, and
then all floating point of a guest takes thirty times as long (docs/performance.md §9).
"""

from __future__ import annotations

import zlib
from types import ModuleType

zlib_of_this_system: ModuleType = zlib
try:
    from zlib_ng import zlib_ng

    zlib_of_this_system = zlib_ng  # nearly the same size in a third of the time
except ImportError:  # no wheel for this system
    pass

_FAST = 1


def deflated(data: bytes) -> bytes:
    compressed: bytes = zlib_of_this_system.compress(data, _FAST)
    return compressed


def inflated(data: bytes, bytes_max: int) -> bytes:
    """What one whole stream holds. Raises ValueError, also for one that holds more."""
    stream = zlib_of_this_system.decompressobj()
    try:
        plain: bytes = stream.decompress(data, bytes_max)
    except zlib_of_this_system.error as problem:
        raise ValueError(str(problem)) from problem
    if not stream.eof or stream.unused_data:
        raise ValueError("not one whole stream")
    return plain

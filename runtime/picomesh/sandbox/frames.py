"""Where a guest stood when it was stopped: the functions it was in, innermost first."""

from __future__ import annotations

from dataclasses import dataclass

import wasmtime

from picomesh.sandbox.interface import GuestStop


@dataclass(frozen=True, slots=True)
class Frame:
    """A function that was running, and the byte of its metered module that came next."""

    name: str
    function: int
    offset: int


def frames_of(stop: GuestStop) -> list[Frame]:
    """The frames of a trap; none when the host stopped the guest, or the engine keeps none."""
    trap = stop.__cause__
    if not isinstance(trap, wasmtime.Trap):
        return []
    return [
        Frame(frame.func_name or "", frame.func_index, frame.module_offset) for frame in trap.frames
    ]

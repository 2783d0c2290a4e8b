"""Runs recorded transitions under observation: whole, up to a host call, a unit of fuel, a line.

To stop anywhere, a run uses the form of its modules that compares the fuel in front of every block
(pico-1.md §10). It spends what the metered form spends and makes the same host calls, so what is
seen there happened in the recorded run as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import pico_abi
from pico_abi.wasm.decode import decode_module
from pico_abi.wasm.encode import encode_module
from picomesh.engine.inputs import Install
from picomesh.engine.perform import perform
from picomesh.engine.performed import Performed, Work
from picomesh.engine.places import Place, SourceMap, source_map
from picomesh.engine.programs import Programs
from picomesh.engine.records import PicoState, RulesetRecord
from picomesh.engine.trace import Trace, TracingSandbox, plain_way
from picomesh.ledger.tree import Blocks
from picomesh.sandbox.frames import frames_of
from picomesh.sandbox.interface import Machine, Meter, Program, Sandbox

_UNREACHABLE = b"\x00"


@lru_cache(maxsize=32)
def looking_form(raw: bytes) -> bytes:
    """The form of a module that can be stopped in front of every block."""
    return pico_abi.meter(raw, every_block=True)


@dataclass(frozen=True, slots=True)
class Watched:
    """A run and what it did."""

    performed: Performed
    trace: Trace


@dataclass(frozen=True, slots=True)
class Reached:
    """A line that a transition came to, and the least fuel with which it does."""

    place: Place
    fuel: int


class Watcher:
    """One WASM engine for many looks into the past."""

    def __init__(self, programs: Programs) -> None:
        self._sandbox = plain_way(programs.sandbox)
        self._gate = programs.gate

    def run(self, blocks: Blocks, work: Work) -> Watched:
        """The run that was recorded, with its host calls."""
        return self._run(blocks, work, {}, None)

    def run_to_call(self, blocks: Blocks, work: Work, at: int) -> Watched:
        """The run up to the block behind a host call."""
        return self._run(blocks, work, self._looking(blocks, work), at)

    def run_to_fuel(self, blocks: Blocks, work: Work, fuel: int) -> Watched:
        """The run up to the last block that is paid for with this fuel."""
        limited = replace(work, fuel_limit=min(fuel, work.fuel_limit))
        return self._run(blocks, limited, self._looking(blocks, work), None)

    def memory_at(self, blocks: Blocks, work: Work, fuel: int) -> bytes:
        """The hash of what the guests hold at this fuel: equal on every engine."""
        limited = replace(work, fuel_limit=min(fuel, work.fuel_limit))
        forms = self._looking(blocks, work)
        return self._run(blocks, limited, forms, None, sees_memory=True).trace.memory

    def _run(
        self,
        blocks: Blocks,
        work: Work,
        forms: Mapping[bytes, bytes],
        stop_behind: int | None,
        sees_memory: bool = False,
    ) -> Watched:
        trace = Trace(work.fuel_limit, stop_behind, sees_memory)
        sandbox = TracingSandbox(_OtherForms(self._sandbox, forms), trace)
        return Watched(perform(Programs(sandbox, self._gate), blocks, work), trace)

    def _looking(self, blocks: Blocks, work: Work) -> dict[bytes, bytes]:
        """The looking form of each metered module that the run may load."""
        forms = {
            blocks.block(record.metered): looking_form(blocks.block(record.raw))
            for record in PicoState(blocks, work.pre).rulesets()
        }
        if isinstance(work.given, Install):
            raw = blocks.block(work.given.raw)
            forms[self._gate(raw)] = looking_form(raw)
        return forms

    def place(self, blocks: Blocks, record: RulesetRecord, watched: Watched) -> Place | None:
        """Where a run was stopped in the source of this ruleset."""
        places, stop = source_map(blocks.block(record.raw)), watched.trace.stopped
        return None if places is None or stop is None else places.innermost(frames_of(stop))

    def reach(
        self, blocks: Blocks, work: Work, record: RulesetRecord, line: int, fuel: int
    ) -> Reached | None:
        """The first time that a run comes to the end of a line, if it does with this fuel.

        A trap stands there in a copy of the module; the least fuel that leads to it is sought.
        """
        raw = blocks.block(record.raw)
        places = source_map(raw)
        ends = [] if places is None else places.ends_of(line)
        if places is None or not ends:
            return None
        forms = self._looking(blocks, work)
        forms[blocks.block(record.metered)] = _with_traps(looking_form(raw), ends)

        def function_at(limit: int) -> str | None:
            limited = replace(work, fuel_limit=limit)
            watched = self._run(blocks, limited, forms, None)
            return _trapped_in(watched, places)

        found = function_at(fuel)
        if found is None:
            return None
        low, high = 0, fuel
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if function_at(middle) is not None else (middle + 1, high)
        return Reached(Place(found, line, 1), low)


def _trapped_in(watched: Watched, places: SourceMap) -> str | None:
    """The function of the source in which a run met a trap; None when it ended otherwise."""
    stop = watched.trace.stopped
    if stop is None or watched.performed.core.outcome != "trap":
        return None
    frames = frames_of(stop)
    return frames[0].name if frames and places.has(frames[0].function) else None


def _with_traps(module: bytes, ends: list[tuple[int, int]]) -> bytes:
    """The module with a trap at these places: (function, offset in the module)."""
    decoded = decode_module(module)
    imported = len(decoded.imports)
    functions = list(decoded.functions)
    for index, offset in ends:
        function = functions[index - imported]
        at = offset - function.offset
        body = function.body[:at] + _UNREACHABLE + function.body[at:]
        functions[index - imported] = replace(function, body=body)
    return encode_module(replace(decoded, functions=tuple(functions)))


class _OtherForms:
    """A sandbox that runs other forms of some modules."""

    def __init__(self, inner: Sandbox, forms: Mapping[bytes, bytes]) -> None:
        self._inner = inner
        self._forms = forms

    @property
    def backend(self) -> str:
        return self._inner.backend

    @property
    def version(self) -> str:
        return self._inner.version

    def load(self, metered: bytes) -> Program:
        return self._inner.load(self._forms.get(metered, metered))

    def machine(self, meter: Meter) -> Machine:
        return self._inner.machine(meter)

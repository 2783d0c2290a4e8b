"""Where the fuel of a transition goes: to which functions, and to which lines of the source.

The transition runs again and again, each time to another unit of its fuel, evenly spaced from the
first to the last. Where it stops, the functions that are running say who spends that unit. So the
shares are those of the fuel and not of a clock, and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pico_abi.wasm.decode import decode_module
from picomesh.engine.perform import perform
from picomesh.engine.performed import Work
from picomesh.engine.places import SourceMap
from picomesh.engine.programs import Programs
from picomesh.engine.trace import Call, Trace, TracingSandbox, plain_way
from picomesh.engine.watch import looking_form
from picomesh.ledger.tree import Blocks
from picomesh.sandbox.boundary import ACTIONS, SCAN
from picomesh.sandbox.frames import Frame, frames_of
from picomesh.sandbox.interface import Program, Sandbox

FRAMES_MAX = 20  # wasmtime keeps no more, the innermost
_ENGINE = "(engine)"
_MESSAGE = "(message)"
_DEEPER = "(outer frames)"


@dataclass(frozen=True, slots=True)
class Spot:
    """A function that was running, and the line it was at if the ruleset's author wrote it."""

    name: str
    line: int | None = None

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}:{self.line}"


Stack = tuple[Spot, ...]  # the outermost function first


@dataclass(frozen=True, slots=True)
class Spending:
    """The fuel of a transition, divided among the stacks that spent it."""

    fuel: int
    stops: int
    stacks: dict[Stack, int]


def spending(
    programs: Programs,
    blocks: Blocks,
    work: Work,
    fuel: int,
    raw: bytes,
    places: SourceMap,
    stops: int,
    tell: Callable[[int], None],
) -> Spending:
    """Stops a transition that takes so much fuel at so many units of it; tells of each stop."""
    stops = max(1, min(stops, fuel))
    sampler = Sampler(programs, blocks, work, raw, places)
    stacks: dict[Stack, int] = {}
    for at in range(stops):
        first, last = fuel * at // stops, fuel * (at + 1) // stops
        stack = sampler.stack_at((first + last) // 2)
        stacks[stack] = stacks.get(stack, 0) + last - first
        tell(1)
    return Spending(fuel, stops, stacks)


class _Looking(TracingSandbox):
    """Runs one module in its looking form; each run has a trace of its own."""

    def __init__(self, inner: Sandbox, raw: bytes, gate: Callable[[bytes], bytes]) -> None:
        super().__init__(inner, Trace(0))
        self._metered, self._form = gate(raw), looking_form(raw)

    def watch(self, trace: Trace) -> None:
        self._trace = trace

    def load(self, metered: bytes) -> Program:
        return super().load(self._form if metered == self._metered else metered)


class Sampler:
    """One transition, to be stopped many times."""

    def __init__(
        self, programs: Programs, blocks: Blocks, work: Work, raw: bytes, places: SourceMap
    ) -> None:
        self._sandbox = _Looking(plain_way(programs.sandbox), raw, programs.gate)
        self._programs = Programs(self._sandbox, programs.gate)
        self._blocks = blocks
        self._work = work
        self._places = places
        module = decode_module(raw)
        own = len(module.imports) + len(module.functions)
        self._hosts = {
            own + at: ACTIONS[(item.module, item.name)].__name__.replace("_", ".", 1)
            for at, item in enumerate(module.imports)
        }
        self._callers: dict[int, Stack] = {}

    def stack_at(self, fuel: int) -> Stack:
        """Who spends this unit."""
        trace = self._run(fuel)
        if trace.stopped is None:
            return (Spot(_ENGINE),)
        frames = frames_of(trace.stopped)
        if frames:
            return self._stack(frames)
        if trace.calls and fuel < trace.fuel_used(len(trace.calls) - 1) + _price(trace.calls[-1]):
            return self._caller(trace)
        return (Spot(_MESSAGE),)

    def _run(self, fuel: int) -> Trace:
        trace = Trace(fuel)
        self._sandbox.watch(trace)
        perform(self._programs, self._blocks, replace(self._work, fuel_limit=fuel))
        return trace

    def _caller(self, trace: Trace) -> Stack:
        """Who made the host call that is being answered: a unit before, that could be seen."""
        used = trace.fuel_used(len(trace.calls) - 1)
        if used not in self._callers:
            before = self._run(used - 1).stopped
            frames = [] if before is None else frames_of(before)
            self._callers[used] = self._stack(frames) if frames else (Spot(_MESSAGE),)
        return self._callers[used]

    def _stack(self, frames: list[Frame]) -> Stack:
        spots = [self._spot(frame) for frame in reversed(frames)]
        return (*([Spot(_DEEPER)] if len(frames) >= FRAMES_MAX else []), *spots)

    def _spot(self, frame: Frame) -> Spot:
        place = self._places.place(frame)
        if place is not None:
            return Spot(place.function, place.line)
        return Spot(self._hosts.get(frame.function) or frame.name or f"function {frame.function}")


def _price(call: Call) -> int:
    """What the host takes for an answer, before the guest goes on."""
    match call.answer:
        case None:
            return 0
        case bytes():
            return len(call.answer)
        case rows:
            size = sum(len(path) + len(value) for path, value in rows)
            return size * SCAN.result_byte_price + len(rows) * SCAN.result_entry_price


# --- three ways to add it up ---


def by_line(found: Spending) -> dict[tuple[int | None, str], int]:
    """Fuel by line of the source, with all that the line calls in the library and the host."""
    rows: dict[tuple[int | None, str], int] = {}
    for stack, fuel in found.stacks.items():
        own = next((spot for spot in reversed(stack) if spot.line is not None), None)
        key = (own.line, own.name) if own is not None else (None, _part(stack))
        rows[key] = rows.get(key, 0) + fuel
    return rows


def by_rule(found: Spending) -> dict[str, int]:
    """Fuel by rule, with all that it calls."""
    rows: dict[str, int] = {}
    for stack, fuel in found.stacks.items():
        key = rule_of(stack)
        rows[key] = rows.get(key, 0) + fuel
    return rows


def rule_of(stack: Stack) -> str:
    """The rule that runs, or what runs around the rules."""
    rule = next((spot.name for spot in stack if spot.name.startswith("rule ")), None)
    return rule or _part(stack)


def by_function(found: Spending) -> dict[str, tuple[int, int]]:
    """Fuel by function: its own, and with all that it calls."""
    rows: dict[str, tuple[int, int]] = {}
    for stack, fuel in found.stacks.items():
        for name in {spot.name for spot in stack}:
            own, whole = rows.get(name, (0, 0))
            rows[name] = own + (fuel if stack[-1].name == name else 0), whole + fuel
    return rows


def _part(stack: Stack) -> str:
    """What runs where no code of the ruleset does: below the export that was called."""
    name = stack[min(1, len(stack) - 1)].name
    return _PARTS.get(name, _MESSAGE if stack[0].name == "cabi_realloc" else name)


_PARTS = {  # of the library of KRL modules
    "rt_event_begin": "(reading the event)",
    "rt_event_is": "(choosing rules)",
    "rt_event_end": "(writing what changed)",
}

"""One instance by direct calls of the C library: the way every event takes.

What the boundary means is in `boundary`; the way in and out that every event takes is written out
here once more, without a layer between (and in `direct_calls`, what the guest calls): the same
checks in the same order, for the receipt must not tell which way was taken.
tests/runtime/test_paths.py compares them.

The meter stays in the guest's globals as long as the host need not look at it: `is_out` says that
it is in `meter` instead, as it always is while a function of `boundary` runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pico_abi import limits
from picomesh.sandbox.boundary import MESSAGE_BYTE_FUEL, BoundaryGuest
from picomesh.sandbox.guest import raise_stop
from picomesh.sandbox.interface import EngineFault, GuestTrap, HostCalls, Meter, OutOfFuel
from picomesh.sandbox.native import take_problem

if TYPE_CHECKING:
    from picomesh.sandbox.lane import Lane, Place

_NAMES = ("memory", "cabi_realloc", "pico-1:fuel", "pico-1:stack", "handle", "query", "describe")
EXPORTS = {name: name.encode() for name in _NAMES}


class DirectGuest(BoundaryGuest):
    """An instance in a lane; `close` ends its life, and nothing reaches its memory behind that."""

    __slots__ = ("context", "fuel_at", "is_out", "lane", "memory", "place", "size", "stack_at")

    def __init__(
        self, lane: Lane, context: int, place: Place, calls: HostCalls, meter: Meter
    ) -> None:
        self.calls = calls
        self.meter = meter
        self.allocating = False
        self.raised = None
        self.lane = lane
        self.context = context
        self.place = place
        self.is_out = True
        instance, export = place.instance, lane.export_get
        if not (
            export(context, instance, b"memory", 6, place.memory)
            and export(context, instance, b"cabi_realloc", 12, place.realloc)
            and export(context, instance, b"pico-1:fuel", 11, place.fuel)
            and export(context, instance, b"pico-1:stack", 12, place.stack)
        ):
            raise EngineFault("the module has not the exports that it had when it was loaded")
        self.fuel_at = place.fuel_at
        self.stack_at = place.stack_at
        size: int = lane.memory_size(context, place.memory_at)
        self.size = size
        self.memory = lane.memories[lane.memory_data(context, place.memory_at), size]

    def close(self) -> None:
        self.context = 0
        self.memory = _NO_MEMORY
        self.size = 0

    def _find(self, name: str, into: int) -> None:
        data = EXPORTS[name]
        place = self.place
        if not self.lane.export_get(self.context, place.instance, data, len(data), into):
            raise EngineFault(f"the module has no export {name!r}")

    # -- memory: addresses are checked by `boundary`, or here

    def _look_at_memory(self) -> None:
        """Its place and size now; it only grows, so what was inside before is inside still."""
        if not self.context:
            raise EngineFault("this guest is closed")
        lane, memory_at = self.lane, self.place.memory_at
        self.size = lane.memory_size(self.context, memory_at)
        self.memory = lane.memories[lane.memory_data(self.context, memory_at), self.size]

    def memory_size(self) -> int:
        self._look_at_memory()
        return self.size

    def memory_read(self, address: int, end: int) -> bytes:
        return self.memory[address:end].tobytes()

    def memory_write(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data

    def reach(self, end: int, text: str) -> None:
        """For an end behind the size that is known: the memory has grown, or it is a lie."""
        self._look_at_memory()
        if end > self.size:
            if not self.is_out:
                self.take_meter()
                self.meter.check()
            raise GuestTrap(text)

    # -- entering the guest

    def handle(self, event: bytes) -> bytes:
        return self._exchange("handle", event, limits.EVENT_BYTES_MAX, "an event")

    def query(self, request: bytes) -> bytes:
        return self._exchange("query", request, limits.REQUEST_BYTES_MAX, "a request")

    def _exchange(self, name: str, data: bytes, bytes_max: int, what: str) -> bytes:
        """A message in, a message out, with the meter in the guest from first to last."""
        count = len(data)
        if count > bytes_max:
            raise GuestTrap(f"{what} of {count} bytes, the limit is {bytes_max}")
        context, meter, place, lane = self.context, self.meter, self.place, self.lane
        if not context:
            raise EngineFault("this guest is closed")
        fuel = meter.fuel = meter.fuel - count * MESSAGE_BYTE_FUEL
        if fuel < 0:
            raise OutOfFuel("out of fuel in a host function")
        if place.entered != name:
            self._find(name, place.function)
            place.entered = name
        words = meter.stack_words
        lane.fuel[0] = fuel
        lane.global_set(context, self.fuel_at, lane.fuel_at)
        lane.stack[0] = words
        lane.global_set(context, self.stack_at, lane.stack_at)
        self.is_out = False
        before, lane.guest = lane.guest, self
        try:
            numbers = lane.numbers
            numbers[0] = self.give_bytes(data)
            numbers[4] = count
            error = lane.call(context, place.function_at, lane.numbers_at, 2, lane.trap_at)
        finally:
            lane.guest = before
        if error is not None or lane.trap[0]:
            self._failed(error)
        if self.raised is not None:
            raise EngineFault("an exception in a host function was lost") from self.raised
        address = numbers[0]
        lane.global_get(context, self.fuel_at, lane.fuel_at)
        meter.fuel = fuel = lane.fuel[0]
        meter.stack_words = words  # every frame gave its own back
        self.is_out = True
        if fuel < 0:
            meter.check()
        return self._lift(address)

    def _lift(self, address: int) -> bytes:
        if address & 3:
            raise GuestTrap("a return area is not aligned")
        if address + 8 > self.size:
            self.reach(address + 8, "a return area reaches outside the memory")
        start, count = self.lane.two_words(self.memory, address)
        self.meter.charge(count * MESSAGE_BYTE_FUEL)
        if count > limits.ANSWER_BYTES_MAX:
            raise GuestTrap(f"a result of {count} bytes, the limit is {limits.ANSWER_BYTES_MAX}")
        end = start + count
        if end > self.size:
            self.reach(end, "a result reaches outside the memory")
        return self.memory[start:end].tobytes()

    def enter(self, name: str, *arguments: int) -> int:
        if not self.context:
            raise EngineFault("this guest is closed")
        place = self.place
        if name == "cabi_realloc":
            function_at = place.realloc_at
        else:
            function_at = place.function_at
            self._find(name, place.function)
            place.entered = name
        numbers = self.lane.numbers
        self.give_meter()
        for index, argument in enumerate(arguments):
            numbers[4 * index] = argument
        self._call(function_at, max(len(arguments), 1))
        result = numbers[0]
        self.take_meter()
        self.meter.check()
        return result

    def _call(self, function_at: int, count: int) -> None:
        """Runs a function of the guest; arguments and result are in the lane's numbers."""
        lane = self.lane
        before, lane.guest = lane.guest, self
        try:
            error = lane.call(self.context, function_at, lane.numbers_at, count, lane.trap_at)
        finally:
            lane.guest = before
        if error is not None or lane.trap[0]:
            self._failed(error)
        if self.raised is not None:
            raise EngineFault("an exception in a host function was lost") from self.raised

    def _failed(self, error: int | None) -> NoReturn:
        """Ends the run: by what a host function raised, or by the class of the trap."""
        lane = self.lane
        trap, lane.trap[0] = lane.trap[0], 0
        problem = take_problem(error, trap)
        if not self.is_out:
            self.take_meter()
        raised, self.raised = self.raised, None
        if raised is not None:
            raise raised
        lane.look_at(problem)
        raise_stop(problem, self.meter)

    # -- the meter

    def give_meter(self) -> None:
        lane = self.lane
        lane.fuel[0] = self.meter.fuel
        lane.global_set(self.context, self.fuel_at, lane.fuel_at)
        lane.stack[0] = self.meter.stack_words
        lane.global_set(self.context, self.stack_at, lane.stack_at)
        self.is_out = False

    def take_meter(self) -> None:
        lane = self.lane
        lane.global_get(self.context, self.fuel_at, lane.fuel_at)
        self.meter.fuel = lane.fuel[0]
        lane.global_get(self.context, self.stack_at, lane.stack_at)
        self.meter.stack_words = lane.stack[0]
        self.is_out = True

    def give_bytes(self, data: bytes) -> int:
        """Copies bytes into the guest while its meter stays where it is; returns the address.

        For the guest that the lane knows to be running.
        """
        count = len(data)
        lane = self.lane
        numbers = lane.numbers
        numbers[0] = numbers[4] = 0
        numbers[8] = 1
        numbers[12] = count
        self.allocating = True
        error = lane.call(self.context, self.place.realloc_at, lane.numbers_at, 4, lane.trap_at)
        self.allocating = False
        if error is not None or lane.trap[0]:
            self._failed(error)
        address = numbers[0]
        end = address + count
        if end > self.size:
            self.reach(end, "cabi_realloc gave memory that is not there or not aligned")
        self.memory[address:end] = data
        return address


_NO_MEMORY = memoryview(b"")

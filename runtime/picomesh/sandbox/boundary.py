"""The canonical ABI's lowering of wit/pico.wit, from the host's side, for any way into the guest.

Every host function has the same lines: read with a named maximum, act, charge for what goes back.
The module itself has paid for the call and the bytes of its arguments (docs/formats/pico-1.md §4:
the rewriter puts that charge before the call, into the same counter). Addresses from the guest
are checked against its memory before they are used, and while the host is inside the guest's
`cabi_realloc` no import may be called.

`guest` and `direct_guest` say how memory is reached and how the guest is entered.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TypeAlias

from pico_abi import contract, limits
from picomesh.sandbox.interface import GuestTrap, HostCalls, Meter

MESSAGE_BYTE_FUEL = 1  # for each byte of an event, query, manifest or answer that is copied


class BoundaryGuest(ABC):
    """One instance, with what it may call and the budget it draws from."""

    __slots__ = ("allocating", "calls", "meter", "raised")

    def __init__(self, calls: HostCalls, meter: Meter) -> None:
        self.calls = calls
        self.meter = meter
        self.allocating = False
        self.raised: BaseException | None = None

    @abstractmethod
    def enter(self, name: str, *arguments: int) -> int:
        """Calls an export with the meter in the guest's globals; sorts out how it ends."""

    @abstractmethod
    def memory_size(self) -> int: ...

    @abstractmethod
    def memory_read(self, address: int, end: int) -> bytes: ...

    @abstractmethod
    def memory_write(self, address: int, data: bytes) -> None: ...

    # -- exports

    def describe(self) -> bytes:
        return self.lift_result(self.enter("describe"))

    def handle(self, event: bytes) -> bytes:
        message = self.message(event, limits.EVENT_BYTES_MAX, "an event")
        return self.lift_result(self.enter("handle", *message))

    def query(self, request: bytes) -> bytes:
        message = self.message(request, limits.REQUEST_BYTES_MAX, "a request")
        return self.lift_result(self.enter("query", *message))

    def message(self, data: bytes, bytes_max: int, what: str) -> tuple[int, int]:
        if len(data) > bytes_max:
            raise GuestTrap(f"{what} of {len(data)} bytes, the limit is {bytes_max}")
        self.meter.charge(len(data) * MESSAGE_BYTE_FUEL)
        return self.lower(data)

    def lift_result(self, address: int) -> bytes:
        """The list whose {address, count} stands in the return area of an export."""
        if address % 4:
            raise GuestTrap("a return area is not aligned")
        area = self.read(address, 8, 8, "a return area")
        start, count = int.from_bytes(area[:4], "little"), int.from_bytes(area[4:], "little")
        self.meter.charge(count * MESSAGE_BYTE_FUEL)
        return self.read(start, count, limits.ANSWER_BYTES_MAX, "a result")

    # -- memory

    def read(self, address: int, count: int, bytes_max: int, what: str) -> bytes:
        if count > bytes_max:
            raise GuestTrap(f"{what} of {count} bytes, the limit is {bytes_max}")
        if address + count > self.memory_size():
            raise GuestTrap(f"{what} reaches outside the memory")
        return self.memory_read(address, address + count)

    def write(self, address: int, data: bytes, alignment: int = 1) -> None:
        if address % alignment:
            raise GuestTrap("a return area is not aligned")
        if address + len(data) > self.memory_size():
            raise GuestTrap("a result would reach outside the memory")
        if data:
            self.memory_write(address, data)

    def allocate(self, count: int, alignment: int) -> int:
        """Memory in the guest for a result; the guest must not call out meanwhile."""
        self.allocating = True
        try:
            address = self.enter("cabi_realloc", 0, 0, alignment, count)
        finally:
            self.allocating = False
        if address % alignment or address + count > self.memory_size():
            raise GuestTrap("cabi_realloc gave memory that is not there or not aligned")
        return address

    def lower(self, data: bytes) -> tuple[int, int]:
        """Copies bytes into the guest's memory."""
        address = self.allocate(len(data), 1)
        self.write(address, data)
        return address, len(data)

    def give_list(self, area: int, data: bytes, byte_price: int) -> None:
        """Lowers a list<u8> and writes {address, count} at the return area."""
        self.meter.charge(len(data) * byte_price)
        self.write(area, words(*self.lower(data)), 4)

    # -- imports: the meter is out of the guest's globals while they run

    def path(self, address: int, count: int) -> bytes:
        return self.read(address, count, limits.PATH_BYTES_MAX, "a path")

    def state_get(self, address: int, count: int, area: int) -> None:
        value = self.calls.get(self.path(address, count))
        self.write(area, b"\x00" if value is None else b"\x01", 4)
        if value is not None:
            self.give_list(area + 4, value, GET.result_byte_price)

    def state_put(self, address: int, count: int, at: int, length: int) -> None:
        path = self.path(address, count)
        self.calls.put(path, self.read(at, length, limits.VALUE_BYTES_MAX, "a value"))

    def state_delete(self, address: int, count: int) -> None:
        self.calls.delete(self.path(address, count))

    def state_scan(
        self, prefix_at: int, prefix_length: int, at: int, length: int, limit: int, area: int
    ) -> None:
        prefix = self.path(prefix_at, prefix_length)
        after = self.path(at, length)
        entries = self.calls.scan(prefix, after, min(limit, limits.SCAN_ENTRIES_MAX))
        size = sum(len(path) + len(value) for path, value in entries)
        self.meter.charge(size * SCAN.result_byte_price)
        self.meter.charge(len(entries) * SCAN.result_entry_price)
        rows = self.allocate(16 * len(entries), 4)
        for index, (path, value) in enumerate(entries):
            self.write(rows + 16 * index, words(*self.lower(path), *self.lower(value)), 4)
        self.write(area, words(rows, len(entries)), 4)

    def effects_emit(self, address: int, count: int) -> None:
        self.calls.emit(self.read(address, count, limits.EFFECT_BYTES_MAX, "an effect"))

    def pico_ask(self, address: int, count: int, area: int) -> None:
        question = self.read(address, count, limits.REQUEST_BYTES_MAX, "a question")
        self.give_list(area, self.calls.ask(question), ASK.result_byte_price)

    def rulesets_call(self, address: int, count: int, area: int) -> None:
        request = self.read(address, count, limits.REQUEST_BYTES_MAX, "a request")
        self.give_list(area, self.calls.call(request), CALL.result_byte_price)


Action: TypeAlias = Callable[..., None]

GET, PUT, DELETE, SCAN, EMIT, ASK, CALL = contract.HOST_FUNCTIONS
ACTIONS: dict[tuple[str, str], Action] = {
    (GET.module, GET.name): BoundaryGuest.state_get,
    (PUT.module, PUT.name): BoundaryGuest.state_put,
    (DELETE.module, DELETE.name): BoundaryGuest.state_delete,
    (SCAN.module, SCAN.name): BoundaryGuest.state_scan,
    (EMIT.module, EMIT.name): BoundaryGuest.effects_emit,
    (ASK.module, ASK.name): BoundaryGuest.pico_ask,
    (CALL.module, CALL.name): BoundaryGuest.rulesets_call,
}


def words(*numbers: int) -> bytes:
    return b"".join([number.to_bytes(4, "little") for number in numbers])

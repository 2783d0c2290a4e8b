"""The host functions that every event needs, as C calls them: get, put and emit.

What they mean is in `boundary`; here it stands once more without a layer between, in the same
order, for the receipt must not tell which way was taken. tests/runtime/test_paths.py compares them.
Each catches everything: an exception that left a callback would be lost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pico_abi import limits
from picomesh.sandbox.boundary import EMIT, GET, PUT
from picomesh.sandbox.interface import GuestTrap, OutOfFuel
from picomesh.sandbox.native import WordsAt

if TYPE_CHECKING:
    from picomesh.sandbox.lane import Lane

Callback = Callable[[int, int, int, int], int]
INSIDE = "an import was called inside cabi_realloc"
_GET_BYTE_FUEL = GET.result_byte_price
_ACT = b"ctx."  # in the kind of every effect that does something to the pico
_PATH_BYTES_MAX = limits.PATH_BYTES_MAX
_VALUE_BYTES_MAX = limits.VALUE_BYTES_MAX
_EFFECT_BYTES_MAX = limits.EFFECT_BYTES_MAX


def _get(lane: Lane) -> Callback:
    arguments_at = WordsAt()

    def function(_: int, __: int, arguments: int, ___: int) -> int:
        try:
            guest = lane.guest
            words = arguments_at[arguments]
            address, count, area = words[0], words[4], words[8]
            assert guest is not None, "a guest is calling"
            if guest.allocating:
                raise GuestTrap(INSIDE)
            if count > _PATH_BYTES_MAX:
                raise GuestTrap(f"a path of {count} bytes, the limit is {_PATH_BYTES_MAX}")
            end = address + count
            if end > guest.size:
                guest.reach(end, "a path reaches outside the memory")
            value = guest.calls.get(guest.memory[address:end].tobytes())
            if area & 3:
                raise GuestTrap("a return area is not aligned")
            if area >= guest.size:
                guest.reach(area + 1, "a result would reach outside the memory")
            if value is None:
                guest.memory[area] = 0
                return 0
            guest.memory[area] = 1
            count = len(value)
            lane.global_get(guest.context, guest.fuel_at, lane.fuel_at)
            fuel = lane.fuel[0] - count * _GET_BYTE_FUEL
            lane.fuel[0] = fuel
            lane.global_set(guest.context, guest.fuel_at, lane.fuel_at)
            if fuel < 0:
                raise OutOfFuel("out of fuel in a host function")
            address = guest.give_bytes(value)
            if area + 12 > guest.size:
                guest.reach(area + 12, "a result would reach outside the memory")
            lane.put_two_words(guest.memory, area + 4, address, count)
        except BaseException as problem:
            return lane.fail(problem)
        return 0

    return function


def _put(lane: Lane) -> Callback:
    arguments_at = WordsAt()

    def function(_: int, __: int, arguments: int, ___: int) -> int:
        try:
            guest = lane.guest
            words = arguments_at[arguments]
            address, count, at, length = words[0], words[4], words[8], words[12]
            assert guest is not None, "a guest is calling"
            if guest.allocating:
                raise GuestTrap(INSIDE)
            if count > _PATH_BYTES_MAX:
                raise GuestTrap(f"a path of {count} bytes, the limit is {_PATH_BYTES_MAX}")
            end = address + count
            if end > guest.size:
                guest.reach(end, "a path reaches outside the memory")
            path = guest.memory[address:end].tobytes()
            if length > _VALUE_BYTES_MAX:
                raise GuestTrap(f"a value of {length} bytes, the limit is {_VALUE_BYTES_MAX}")
            end = at + length
            if end > guest.size:
                guest.reach(end, "a value reaches outside the memory")
            guest.calls.put(path, guest.memory[at:end].tobytes())
        except BaseException as problem:
            return lane.fail(problem)
        return 0

    return function


def _emit(lane: Lane) -> Callback:
    arguments_at = WordsAt()

    def function(_: int, __: int, arguments: int, ___: int) -> int:
        try:
            guest = lane.guest
            words = arguments_at[arguments]
            address, count = words[0], words[4]
            assert guest is not None, "a guest is calling"
            if guest.allocating:
                raise GuestTrap(INSIDE)
            if count > _EFFECT_BYTES_MAX:
                raise GuestTrap(f"an effect of {count} bytes, the limit is {_EFFECT_BYTES_MAX}")
            end = address + count
            if end > guest.size:
                guest.reach(end, "an effect reaches outside the memory")
            effect = guest.memory[address:end].tobytes()
            if _ACT in effect:  # an act draws from the budget, and may run other guests
                guest.take_meter()
                guest.calls.emit(effect)
                guest.give_meter()
            else:
                guest.calls.emit(effect)
        except BaseException as problem:
            return lane.fail(problem)
        return 0

    return function


DIRECT: dict[tuple[str, str], Callable[[Lane], Callback]] = {
    (GET.module, GET.name): _get,
    (PUT.module, PUT.name): _put,
    (EMIT.module, EMIT.name): _emit,
}

"""The kernel's way into wasmtime: which functions it calls, and which host functions it has.

A lane of its own, as `Lane` is for Python: a linker whose host functions are the kernel's, from
which instances are prepared. Prices and limits come from the contract, so the kernel has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import wasmtime

from pico_abi import contract, limits
from pico_abi.stack_words import STACK_WORDS_MAX
from picomesh.kernel.library import Kernel
from picomesh.kernel.library import Library as KernelLibrary
from picomesh.sandbox.boundary import GET, MESSAGE_BYTE_FUEL
from picomesh.sandbox.killing import DEADLINE, Clock
from picomesh.sandbox.native import Library, address_of, define_host_function

if TYPE_CHECKING:
    from picomesh.sandbox.direct import DirectProgram

# In the order of guest.zig: Library.
_FUNCTIONS = (
    "store_new",
    "store_context",
    "store_delete",
    "context_set_epoch_deadline",
    "instance_pre_instantiate",
    "instance_export_get",
    "memory_data",
    "memory_data_size",
    "global_get",
    "global_set",
    "func_call_unchecked",
    "trap_new_code",
    "wasm_trap_delete",
    "error_delete",
)


class Loop:
    """A kernel over one engine of wasmtime, and the linker that it prepares instances with."""

    def __init__(
        self,
        kernel_library: KernelLibrary,
        library: Library,
        engine: wasmtime.Engine,
        event_prices: tuple[int, int],
        clock: Clock | None,
    ) -> None:
        """`event_prices`: fuel for each event offered to a ruleset, and for each instance."""
        numbers = (
            *(limits.PATH_BYTES_MAX, limits.VALUE_BYTES_MAX, limits.EFFECT_BYTES_MAX),
            *(limits.EFFECTS_MAX, limits.EVENT_BYTES_MAX),
            *(limits.REQUEST_BYTES_MAX, limits.ANSWER_BYTES_MAX),
            *(STACK_WORDS_MAX, *event_prices, MESSAGE_BYTE_FUEL, GET.result_byte_price),
            0 if clock is None else DEADLINE,
        )
        functions = [library.address_of_c(name) for name in _FUNCTIONS]
        self.engine = engine  # lives as long as its kernel
        self.clock = clock
        self.kernel = Kernel(kernel_library, address_of(engine.ptr()), functions, numbers)
        self.linker = wasmtime.Linker(engine)
        for host in contract.HOST_FUNCTIONS:
            function = self.kernel.host_function(host.name)
            define_host_function(library, self.linker, host, function, self.kernel.environment)

    def prepare(self, program: DirectProgram) -> int:
        """The address of a prepared instance of a program, which lives as long as the program."""
        return program.prepare(self)

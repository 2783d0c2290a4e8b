"""The contract between a ruleset and its host as data, and the gate every module passes.

Pure functions over bytes, standard library only, so that a verifier can ship it alone. It stands
below the compiler and the runtime; both read the same limits, host functions and opcodes here.
"""

from pico_abi.check import check
from pico_abi.meter import OffsetMap, meter, offset_map
from pico_abi.refused import ModuleRefused
from pico_abi.validate import validate

__all__ = ["ModuleRefused", "OffsetMap", "check", "meter", "offset_map", "validate"]

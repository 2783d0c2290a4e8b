"""Pass 4: from the intermediate language to WebAssembly functions and static data."""

from krl.emit.emit import Emitted, emit
from krl.emit.guest import Guest

__all__ = ["Emitted", "Guest", "emit"]

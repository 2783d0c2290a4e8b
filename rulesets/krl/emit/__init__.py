"""Pass 4: from the intermediate language to WebAssembly functions and static data."""

from krl.emit.emit import Emitted, emit
from krl.emit.guest import Guest
from krl.emit.needs import OPTIONAL_PARTS

__all__ = ["OPTIONAL_PARTS", "Emitted", "Guest", "emit"]

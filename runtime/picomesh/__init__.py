"""picomesh: persistent compute objects on hosts nobody needs to trust.

Layers, inner first: ledger (bytes and hashes) · sandbox (the WASM engine) · transition (one event,
pure but for the sandbox) · store (SQLite) · engine (many picos) · cli.
"""

__version__ = "0.1.0"

"""The vectors of inputs: one of each kind, and what is none."""

from __future__ import annotations

from typing import Any

from picomesh.engine.inputs import (
    Adopt,
    Create,
    Delete,
    Event,
    Import,
    Input,
    Install,
    Spawn,
    Uninstall,
    encode_input,
)
from picomesh.ledger.cid import cid_of_bytes
from picomesh.ledger.codec import decode_block
from vectors.rows import LINK, broken, row, write

RAW = cid_of_bytes(b"module")
PICO = str(LINK)
INPUTS: dict[str, Input] = {
    "create": Create(b"k" * 32, b"n" * 32, "me"),
    "create without a name": Create(b"k" * 32, b"n" * 32, ""),
    "spawn": Spawn(PICO, b"n" * 32, "c", "p", [["t", RAW, None, "http://x/t.krl", b"\xa0"]]),
    "spawn without rulesets": Spawn(PICO, b"n" * 32, "c", "p", []),
    "adopt": Adopt("leave", PICO, PICO, "c", "p"),
    "delete": Delete(),
    "install": Install("t", RAW, RAW, "http://x/t.krl", b"\xa0"),
    "install without a source": Install("t", RAW, None, "", b"\xa0"),
    "uninstall": Uninstall("t"),
    "import": Import("id0", ["c", PICO, "p"], [["d", PICO, "q"]], [b"\xa0"], [["t", "n", b"\x01"]]),
    "import of nothing": Import("", None, [], None, []),
    "event": Event("c", "d", "n", b"\xa0", "e1", "http://localhost:3000"),
    "event of a schedule": Event("c", "d", "n", b"\xa0", "e1", "", ["t", "s1"]),
}
CHANGES: dict[str, dict[str, dict[str, Any]]] = {
    "create": {"another kind": {"kind": "make"}, "a short nonce": {"nonce": b"n" * 31}},
    "spawn": {"a row too short": {"rulesets": [["t", RAW, None, ""]]}},
    "install": {"a module that is bytes": {"raw": b"x"}, "a source that is text": {"source": "x"}},
    "import": {
        "a parent that is text": {"parent": "p"},
        "a parent of two texts": {"parent": ["c", "p"]},
        "a child that is a number": {"children": [["c", "p", 1]]},
        "channels that are a map": {"channels": {}},
        "a channel that is text": {"channels": ["x"]},
        "a value that is text": {"entities": [["t", "n", "x"]]},
    },
    "event": {
        "another version": {"v": 2},
        "attributes that are no bytes": {"attrs": {}},
        "a schedule of three": {"schedule": ["t", "s", "u"]},
        "a schedule that is text": {"schedule": "s"},
        "a name that is null": {"name": None},
        "a field more": {"x": 1},
    },
}


def inputs() -> None:
    accepted = [row(name, encode_input(given)) for name, given in INPUTS.items()]
    write("input", "accepted", accepted)
    refused = []
    for kind, changes in CHANGES.items():
        block: Any = decode_block(encode_input(INPUTS[kind]))
        for item in broken(block, changes):
            refused.append({**item, "name": f"{kind}: {item['name']}"})
    write("input", "refused-fields", refused)

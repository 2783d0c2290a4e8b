"""The rows of vector files, and how they are written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.codec import encode_block

FOLDER = Path(__file__).parent
LINK = cid_of_block(b"\x80")
Rows = list[dict[str, Any]]


def write(folder: str, name: str, rows: Rows) -> None:
    lines = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (FOLDER / folder / f"{name}.json").write_text(f"[\n  {lines}\n]\n", "utf-8")


def row(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    return {"name": name, "bytes": data.hex(), **more}


def rows(**named: str) -> Rows:
    """Names with underscores and hexadecimal digits."""
    return [{"name": name.replace("_", " "), "bytes": data} for name, data in named.items()]


def broken(block: dict[str, Any], changes: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The block with each of these changes, without each of its fields, and as a list."""
    for name, change in changes.items():
        yield row(name, encode_block({**block, **change}))
    for name in block:
        rest = {key: value for key, value in block.items() if key != name}
        yield row(f"{name} is missing", encode_block(rest))
    yield row("a list", b"\x80")

"""The source map: which KRL line and column a place in the code came from.

Canonical CBOR: [[function index, [offset in body, line, column, ...]], ...], offsets ascending
(docs/formats/module.md).
"""

from __future__ import annotations

from bisect import bisect_right

import cbor2

from krl.emit import Emitted, Guest


def source_map_section(emitted: Emitted, guest: Guest, source_text: str) -> bytes:
    line_starts = [0]
    for offset, character in enumerate(source_text):
        if character == "\n":
            line_starts.append(offset + 1)
    entries = []
    for index, function in enumerate(emitted.functions):
        if function.marks:
            places: list[int] = []
            for offset, at in function.marks:
                line = bisect_right(line_starts, at)
                places += (offset, line, at - line_starts[line - 1] + 1)
            entries.append([guest.function_count + index, places])
    return cbor2.dumps(entries, canonical=True)

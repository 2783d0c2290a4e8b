"""Host calls, writes and effects in words: what a person reads in a divergence or a trace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from picomesh.engine.inputs import Event, Input, Install, kind_of
from picomesh.engine.trace import Call
from picomesh.ledger.cid import Cid
from picomesh.ledger.errors import CodecError
from picomesh.ledger.value import Value, decode_plain, decode_value
from picomesh.sandbox.recording import Answer
from picomesh.transition import Answer as TapeAnswer

_TEXT_MAX = 200  # characters of a value that are shown


def name_of(path: bytes) -> str:
    """A path as its ruleset's author knows it: `n`, `names{k}`; others as they are."""
    text = path.decode("utf-8", "backslashreplace")
    space, _, rest = text.partition("/")
    name = rest.partition("/")[2]
    if space == "select":
        return f"the state of rule {name}"
    if space != "ent" or not name:
        return text
    variable, spread, key = name.partition("/")
    if not spread:
        return variable
    return f"{variable}{{{key[1:]}}}" if key else f"{variable} (its size)"


def value_text(data: bytes | None) -> str:
    """A stored value in one line."""
    if data is None:
        return "nothing"
    try:
        return json_text(decode_value(data))
    except CodecError:
        return f"{len(data)} bytes"


def json_text(value: Value) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_hex)
    return text if len(text) <= _TEXT_MAX else text[: _TEXT_MAX - 1] + "…"


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def call_text(call: Call | None) -> str:
    """What a guest did with a host call."""
    if call is None:
        return "made no more calls"
    match call.function:
        case "put":
            value = call.arguments[-1]
            assert isinstance(value, bytes) and call.path is not None, "so `put` is called"
            return f"wrote {name_of(call.path)}={value_text(value)}"
        case "delete":
            return f"removed {name_of(call.path or b'')}"
        case "get":
            return f"read {name_of(call.path or b'')}"
        case "scan":
            return f"listed {name_of(call.path or b'')}"
        case "emit":
            return effect_text(_bytes(call.arguments[0]))
        case "ask":
            return f"asked {_message_text(_bytes(call.arguments[0]))}"
        case _:
            return f"called {_message_text(_bytes(call.arguments[0]))}"


def answer_text(answer: Answer) -> str:
    """What the host answered."""
    match answer:
        case None:
            return "nothing"
        case bytes():
            return value_text(answer)
        case _:
            rows = [f"{name_of(path)}={value_text(value)}" for path, value in answer]
            return f"{len(rows)} entries: {', '.join(rows)[:_TEXT_MAX]}"


def effect_text(effect: bytes) -> str:
    """An effect as a sentence's predicate."""
    try:
        message = decode_plain(effect)
    except CodecError:
        return f"emitted {len(effect)} bytes"
    kind = message.get("kind")
    rest: Value = {key: value for key, value in message.items() if key not in ("kind", "rule")}
    match message:
        case {"kind": "directive", "name": name, "options": options}:
            shown = name if isinstance(name, str) else json_text(name)
            return f"sent directive {shown} {json_text(options)}"
        case {"kind": "raise", "domain": domain, "name": name, "attrs": attrs}:
            return f"raised {domain!s}:{name!s} {json_text(attrs)}"
        case {"kind": "throw", "message": text}:
            return f"threw {json_text(text)}"
        case _:
            return f"emitted {kind!s} {json_text(rest)}"


def outbox_text(kind: str, effect: bytes) -> str:
    """An effect of an outbox: some are the host's own (receipt.md §7)."""
    if kind == "spawn":
        return "made a child"
    try:
        message = decode_plain(effect)
    except CodecError:
        return f"emitted {kind}, {len(effect)} bytes"
    match kind, message:
        case "send", {"eci": eci, "domain": domain, "name": name, "attrs": attrs}:
            return f"sent event {domain!s}:{name!s} {json_text(attrs)} to {eci!s}"
        case "remove", {"pico": pico}:
            return f"deleted {pico!s}"
        case "directive", _:
            return effect_text(effect)
        case _:
            return f"emitted {kind} {json_text(dict(message))}"


def _message_text(data: bytes) -> str:
    try:
        return json_text(dict(decode_plain(data)))
    except CodecError:
        return f"{len(data)} bytes"


def _bytes(argument: bytes | int) -> bytes:
    assert isinstance(argument, bytes), "the first argument of this function is bytes"
    return argument


def given_text(given: Input) -> str:
    """An input in one line: `event a:b {"n":1}`."""
    match given:
        case Event():
            try:
                attrs = json_text(decode_value(given.attrs))
            except CodecError:
                attrs = f"{len(given.attrs)} bytes"
            return f"event {given.domain}:{given.name} {attrs}"
        case Install():
            return f"install {given.rid}, module {given.raw}"
        case _:
            return f"{kind_of(given)} {getattr(given, 'rid', '')}".rstrip()


def tape_answer_text(answer: TapeAnswer | None) -> str:
    """A question and what was answered."""
    if answer is None:
        return "nothing more was asked"
    return f"asked {_message_text(answer.question)}: {_message_text(answer.answer)}"


def write_text(path: bytes, value: bytes | Cid | None) -> str:
    """A write of a receipt: with its value if that is known, with its name if not."""
    match value:
        case None:
            return f"removed {name_of(path)}"
        case Cid():
            return f"wrote {name_of(path)}={value}"
        case _:
            return f"wrote {name_of(path)}={value_text(value)}"


def lines_that_write(source: str, name: str) -> list[int]:
    """The lines of a ruleset that may write an entity variable, by their look."""
    variable = re.escape(name.partition("{")[0])
    pattern = re.compile(
        rf"\bent:{variable}\b[^;\n]*:=|\bclear\s+ent:{variable}\b|\bset\s+ent:{variable}\b"
    )
    return _numbers(source, pattern)


def _numbers(source: str, pattern: re.Pattern[str]) -> list[int]:
    lines: Iterable[str] = source.split("\n")
    return [number for number, line in enumerate(lines, 1) if pattern.search(line)]

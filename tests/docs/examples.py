"""The examples of the language's pages as data: expressions, rulesets with events, machines.

How they are written is said in docs/language.md, under "The examples run".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ARROW = "→"
_EVENT = re.compile(r"([\w.-]+):(\w+)(?:\s+(\{.*\}))?")
_QUERY = re.compile(r"(\w+)\((\{.*\})?\)")
_LATER = re.compile(r"(\d+) (second|minute|hour|day)s? later")
_ENTITY = re.compile(r"ent:(\w+)")
_HOP = re.compile(r"(\w+) ──(.+?)──▶ (?=(\w+))")
_PERIODS_MS = {"second": 1_000, "minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

THROWS = "throws"
REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line of its page where it begins."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Expression:
    """`text` in the sight of `declarations` gives `wanted`: JSON, THROWS or REFUSED."""

    place: str
    declarations: str
    text: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a case, what it should come to, and its line in the page."""

    place: str
    text: str
    step: dict[str, Any]
    wanted: str


@dataclass(slots=True)
class Program:
    """A ruleset of a page, and what is done with it."""

    block: Block
    steps: list[Step] = field(default_factory=list)


def blocks(page: str, text: str) -> list[Block]:
    return [
        Block(page, text.count("\n", 0, found.start()) + 2, found[1], found[2])
        for found in _BLOCK.finditer(text)
    ]


def is_program(block: Block) -> bool:
    return block.language == "krl" and block.text.startswith("ruleset ")


def expressions(block: Block) -> Iterator[Expression]:
    """The lines with an arrow; the other lines declare, for all that come after them."""
    declarations: list[str] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        text, arrow, wanted = line.rpartition(_ARROW)
        if arrow:
            place = f"{block.page}:{number}"
            yield Expression(place, "\n".join(declarations), text.strip(), wanted.strip())
        else:
            declarations.append(line)


def programs(found: list[Block]) -> list[Program]:
    """Rulesets with the events below them: one `events` block belongs to all before it."""
    made: list[Program] = []
    for block in found:
        if is_program(block):
            made.append(Program(block))
        elif block.language == "events":
            made[-1].steps += _steps(block, _rid(made[-1].block.text))
    return made


def _rid(text: str) -> str:
    return text.split()[1]


def _steps(block: Block, rid: str) -> Iterator[Step]:
    for number, line in enumerate(block.text.splitlines(), block.line):
        before, arrow, wanted = (part.strip() for part in line.rpartition(_ARROW))
        text = before if arrow else wanted
        yield Step(f"{block.page}:{number}", text, _step(text, rid), wanted)


def _step(text: str, rid: str) -> dict[str, Any]:
    if found := _LATER.fullmatch(text):
        return {"advance": int(found[1]) * _PERIODS_MS[found[2]]}
    if _ENTITY.fullmatch(text):
        return {"dump": "ent"}
    if found := _QUERY.fullmatch(text):
        return {"query": {"rid": rid, "name": found[1], "args": json.loads(found[2] or "{}")}}
    found = _EVENT.fullmatch(text)
    assert found is not None, f"not an event, a query or a time: {text}"
    attributes = json.loads(found[3] or "{}")
    return {"event": {"domain": found[1], "name": found[2], "attrs": attributes}}


def shown(result: dict[str, Any], text: str) -> str:
    """What came of a step, as a page writes it."""
    if "error" in result:
        return THROWS
    if "directives" in result:
        return ", ".join(map(_directive, result["directives"])) or "nothing"
    if "ent" in result:
        (by_rid,) = result["ent"].values()
        (variables,) = by_rid.values() if by_rid else ({},)
        return to_json(variables.get(text.removeprefix("ent:")))
    return to_json(result.get("value"))


def _directive(directive: dict[str, Any]) -> str:
    options = directive["options"]
    return f"{directive['name']} {to_json(options)}" if options else str(directive["name"])


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def machine(text: str) -> tuple[str, set[tuple[str, str, str]]]:
    """The event expression of a machine's block, and its transitions: from, label, to."""
    select, _, drawing = text.partition("\n")
    hops = {(start, label, end) for start, label, end in _HOP.findall(drawing)}
    return select, hops

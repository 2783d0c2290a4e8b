"""What the benches ask of both sides: rulesets, and calls that follow from their number alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Call = list[Any]
WORKLOADS = Path(__file__).resolve().parent.parent / "workloads"
KEYS = 10_000  # of the large map
DIFFERENT = 1_000  # calls, before they come again
FILL_KEYS = 5_000  # in one event
_STEP = 7919  # a prime, so that keys come in no order and each as often as the others


def source(name: str) -> str:
    return (WORKLOADS / f"{name}.krl").read_text("utf-8")


def bystander(number: int) -> str:
    """A ruleset that no event of these cases selects."""
    text = source("small").replace("ruleset bench.small", f"ruleset bench.bystander{number}")
    return text.replace("select when small ", f"select when bystander{number} ")


def event(domain: str, name: str, attrs: dict[str, Any] | None = None, pico: int = 0) -> Call:
    return ["event", pico, domain, name, attrs or {}]


def query(rid: str, name: str, args: dict[str, Any]) -> Call:
    return ["query", 0, rid, name, args]


def entry(number: int) -> dict[str, Any]:
    return {"number": number, "text": f"value {number}"}


def fill(keys: int, whole: bool = False) -> list[Call]:
    """A map of so many entries, in events of a size that a guest can be given."""
    numbers = range(1, keys + 1)
    part_keys = keys if whole or keys <= KEYS else FILL_KEYS
    maps = [
        {f"k{number}": entry(number) for number in numbers[at : at + part_keys]}
        for at in range(0, keys, part_keys)
    ]
    kinds = ["fill", *["more"] * (len(maps) - 1)]
    return [event("keyed", kind, {"all": part}) for kind, part in zip(kinds, maps, strict=True)]


def keys_in_no_order(keys: int) -> Iterator[tuple[int, str]]:
    for at in range(DIFFERENT):
        yield at, f"k{1 + (at * _STEP) % keys}"


def touches(keys: int) -> list[Call]:
    return [
        event("keyed", "touch", {"key": key, "number": at}) for at, key in keys_in_no_order(keys)
    ]


def entries(keys: int) -> list[Call]:
    return [query("bench.keyed", "entry", {"key": key}) for _, key in keys_in_no_order(keys)]


def twenty_attributes() -> dict[str, Any]:
    given = {"first": "word-123", "second": "two", "third": 3, "fourth": 4}
    return given | {f"more{number}": f"value number {number}" for number in range(5, 21)}


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of work, the same for both sides."""

    label: str
    ruleset: str
    calls: list[Call]
    setup: list[Call] = field(default_factory=list)
    aim: float | None = None  # times the reference's rate
    aim_one: float | None = None  # the same, one call at a time
    checked: int = 100  # calls whose answers both must give


def counter() -> Case:
    return Case(
        *("counter", "counter", [event("counter", "count")], [event("counter", "clear")]),
        aim=2.5,
        aim_one=10,
    )


def work(name: str, size: int, label: str, aim: float) -> Case:
    return Case(label, "compute", [event("work", name, {"n": size})], aim=aim, checked=3)


def rules(small: bool) -> list[Case]:
    """By kind of rule; small ones only show that it still runs."""
    keys, fib, chain, text = (100, 8, 50, 20) if small else (KEYS, 22, 10_000, 1_000)
    return [
        Case("no action", "small", [event("small", "noop")]),
        Case("no rule selects it", "small", [event("nobody", "listens")]),
        counter(),
        Case("touch one key of a map", "keyed", touches(keys), fill(keys), aim=300),
        Case("read one key of a map", "keyed", entries(keys), fill(keys)),
        work("fib", fib, f"fib({fib})", 50),
        work("chain", chain, f"map, filter, reduce of {chain:,}", 15),
        work("text", text, f"strings and regex, {text:,}", 10),
        Case(
            "20 attributes, regex, where",
            "small",
            [event("small", "attributes", twenty_attributes())],
        ),
        Case("raise", "small", [event("small", "raise")]),
        Case("foreach of 100", "small", [event("small", "hundred")]),
        Case("query", "small", [query("bench.small", "greet", {"name": "Ada"})]),
    ]

"""What an import brought, and what it did not, with reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

KINDS = ("picos", "channels", "rulesets", "variables", "schedules")


@dataclass(frozen=True, slots=True)
class Left:
    """Something that was not brought. `pico` is its name there, empty if it belongs to none."""

    kind: str
    name: str
    why: str
    pico: str = ""
    rid: str = ""


@dataclass(slots=True)
class Brought:
    """One pico, and how much of it came over: found and brought by kind."""

    was: str
    pico: str = ""
    name: str = ""
    parent: str | None = None
    found: dict[str, int] = field(default_factory=dict)
    brought: dict[str, int] = field(default_factory=dict)
    rulesets: list[str] = field(default_factory=list)
    variables: dict[str, dict[str, int]] = field(default_factory=dict)  # by ruleset

    def count(self, kind: str, found: int, brought: int) -> None:
        self.found[kind] = self.found.get(kind, 0) + found
        self.brought[kind] = self.brought.get(kind, 0) + brought

    def count_variables(self, rid: str, found: int, brought: int) -> None:
        self.count("variables", found, brought)
        counts = self.variables.setdefault(rid, {"found": 0, "brought": 0})
        counts["found"] += found
        counts["brought"] += brought


@dataclass(slots=True)
class Report:
    """Of a whole home."""

    picos: list[Brought] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def total(self, kind: str) -> tuple[int, int]:
        """How many of a kind were there, and how many were brought."""
        if kind == "picos":
            return len(self.picos), sum(1 for item in self.picos if item.pico)
        found = sum(item.found.get(kind, 0) for item in self.picos)
        return found, sum(item.brought.get(kind, 0) for item in self.picos)

    def as_json(self) -> dict[str, Any]:
        counts = {
            kind: dict(zip(("found", "brought"), self.total(kind), strict=True)) for kind in KINDS
        }
        return {
            "counts": counts,
            "picos": [asdict(item) for item in self.picos],
            "left": [asdict(item) for item in self.left],
            "notes": self.notes,
        }

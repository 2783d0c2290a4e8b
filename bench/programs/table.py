"""Tables for bench/README.md from the rows of the suite.

python bench/programs/table.py bench/results/events.jsonl bench/results/keys.jsonl
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(side: Row | None, name: str) -> str:
    return "" if side is None else number(side[name])


def rates(figures: list[Row]) -> Iterator[str]:
    """Events a second and processor time of every side, and the ratio against its aim."""
    yield "| | on disk | in memory | reference | µs on disk | µs reference | times | by µs | aim |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for row in figures:
        sides = row["sides"]
        ours, memory = sides["picomesh"], sides.get("picomesh in memory")
        peer = sides.get("reference whole") or sides.get("reference core")
        peer = sides.get("reference", peer)
        name = f"{row['label']}, {row['mode']}" if "mode" in row else row["label"]
        cells = [name, cell(ours, "per_s"), cell(memory, "per_s"), cell(peer, "per_s")]
        cells += [cell(ours, "cpu_us"), cell(peer, "cpu_us")]
        cells += [str(row.get("ratio", "")), str(row.get("cpu_ratio", "")), aim(row)]
        yield f"| {' | '.join(cells)} |"


def aim(row: Row) -> str:
    if row.get("aim") is None:
        return ""
    return f"{row['aim']:g}"


def amounts(figures: list[Row]) -> Iterator[str]:
    names = list(dict.fromkeys(name for row in figures for name in row["sides"]))
    yield f"| | {' | '.join(names)} | unit | times |"
    yield "|---" * (len(names) + 3) + "|"
    for row in figures:
        cells = [cell(row["sides"].get(name), "value") for name in names]
        yield f"| {row['label']} | {' | '.join(cells)} | {row['unit']} | {row.get('ratio', '')} |"


def table(path: Path) -> Iterator[str]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    head, *figures = rows
    yield f"### {path.stem}.py\n"
    yield f"Commit {head['commit']}, {head['rounds']} slices of each side.\n"
    yield from amounts(figures) if "unit" in figures[0] else rates(figures)
    yield ""


def main() -> None:
    for name in sys.argv[1:]:
        for line in table(Path(name)):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()

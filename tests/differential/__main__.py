"""Runs random cases on both engines and shows where they differ.

    PYTHONPATH=tests python -m differential /folder/of/the/reference --kind rulesets --cases 1000

The folder holds oracle.js and package.json of the reference with its packages installed. Each
difference is printed with its case, made as small as it gets (reduce.py); `--keep FILE` writes
the cases as JSON lines, in the form that tests/conformance/found.json records.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from random import Random
from typing import Any

from differential import campaign
from differential.engines import Reference


def main() -> int:
    parser = argparse.ArgumentParser(prog="differential", description=__doc__)
    parser.add_argument("reference", type=Path, help="the folder with the reference engine")
    parser.add_argument("--kind", choices=sorted(campaign.KINDS), default="expressions")
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="append the cases that differ to this file")
    parser.add_argument("--plain", action="store_true", help="show the cases as they were drawn")
    options = parser.parse_args()
    random = Random(options.seed)
    started, found = time.monotonic(), 0
    with Reference(options.reference) as reference:
        for number in range(options.cases):
            case = campaign.KINDS[options.kind](random)
            for finding in campaign.compare(case, reference, reduced=not options.plain):
                found += 1
                _show(number, finding)
                if options.keep is not None:
                    with options.keep.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(finding.case, ensure_ascii=False) + "\n")
    print(f"{options.cases} cases, {found} differences, {time.monotonic() - started:.0f} s")
    return 1 if found else 0


def _show(number: int, finding: campaign.Finding) -> None:
    print(f"-- case {number}")
    print(_readable(finding.case))
    for line in finding.lines:
        print("   " + line[:600])
    sys.stdout.flush()


def _readable(case: dict[str, Any]) -> str:
    parts = [row["krl"] for row in case.get("rulesets", ())]
    rest = {key: value for key, value in case.items() if key != "rulesets"}
    return "\n".join([*parts, json.dumps(rest, ensure_ascii=False)])


if __name__ == "__main__":
    sys.exit(main())

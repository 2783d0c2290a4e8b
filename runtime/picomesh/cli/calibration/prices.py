"""What instructions take on each backend, and the prices that would follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pico_abi import prices
from picomesh.cli.calibration.fit import non_negative_least_squares, proposals
from picomesh.cli.calibration.measure import Measured, Stopwatch
from picomesh.cli.calibration.workloads import (
    BASE_SNIPPET,
    BULK_CLASS,
    CALIBRATION,
    CLASSES,
)

STRAIGHTNESS_MIN = 0.9
SHARE_MIN = 0.05  # of the base: less is what a compiler did without


@dataclass(frozen=True, slots=True)
class Calibrated:
    """One backend: its workloads, and what an instruction of each class takes."""

    backend: str
    measured: tuple[Measured, ...]
    class_ns: Mapping[str, float]

    @property
    def base_ns(self) -> float:
        """What an `i32.add` takes, with the locals around it."""
        return next(item for item in self.measured if item.name == BASE_SNIPPET).ns_per_repeat

    def rows(self) -> Iterator[dict[str, Any]]:
        for item in self.measured:
            yield {"kind": "measured", "backend": self.backend, **item.row()}
        for name, time_ns in sorted(self.class_ns.items()):
            units = round(time_ns / self.base_ns, 2)
            row = {"class": name, "ns": round(time_ns, 4), "units": units}
            yield {"kind": "fitted", "backend": self.backend, **row}


def calibrate(backend: str, watch: Stopwatch, tell: Callable[[int], None]) -> Calibrated:
    """Measures every workload of the calibration on one backend."""
    measured = []
    for item in CALIBRATION:
        measured.append(watch.measure(item.name, [item]))
        tell(1)
    base = next(item for item in measured if item.name == BASE_SNIPPET).ns_per_repeat
    good = [
        (snippet.classes(), item.ns_per_repeat)
        for snippet, item in zip(CALIBRATION, measured, strict=True)
        if item.straightness >= STRAIGHTNESS_MIN and item.ns_per_repeat >= SHARE_MIN * base
    ]
    class_ns = non_negative_least_squares([row for row, _ in good], [ns for _, ns in good])
    return Calibrated(backend, tuple(measured), class_ns)


def price_of(name: str) -> float:
    """What the profile takes for an instruction of a class."""
    if name == BULK_CLASS:
        return 8 / (1 << prices.BULK_BYTES_PER_FUEL_LOG2)
    return prices.PRICES[CLASSES[name][0]] if name in CLASSES else prices.PRICE_BASIC


def proposed(found: list[Calibrated]) -> list[dict[str, Any]]:
    """For each class the price of the profile, and the largest that a backend would ask."""
    classes = {item.backend: item.class_ns for item in found}
    asked = proposals(classes, {item.backend: item.base_ns for item in found})
    return [
        {"kind": "price", "class": name, "price": price_of(name), "asked": round(units, 2)}
        for name, units in sorted(asked.items(), key=lambda item: -item[1] / price_of(item[0]))
    ]

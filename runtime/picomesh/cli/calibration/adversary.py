"""Looks for what is priced too low: mixes of instructions that take long for their fuel.

Hill climbing: a mix is a few snippets in a row; a change adds, drops, doubles or swaps one, and
stays if the mix takes longer for its fuel than before. A search that finds nothing new for a while
begins again from another mix. Who attacks can search longer; what is found is a lower bound.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from picomesh.cli.calibration.measure import Measured, Stopwatch
from picomesh.cli.calibration.workloads import SNIPPETS, Snippet

FIRST_MIXES = 12
SNIPPETS_MAX = 8
CONFIRMATIONS = 2
PATIENCE = 12  # changes that bring nothing before the search begins again


@dataclass(frozen=True, slots=True)
class Found:
    """The worst mix, and what a mix takes that nobody looked for."""

    worst: Measured
    median_ns_per_fuel: float
    tried: int

    @property
    def ratio(self) -> float:
        return self.worst.ns_per_fuel / self.median_ns_per_fuel


def search(watch: Stopwatch, tries: int, seed: int, tell: Callable[[Measured], None]) -> Found:
    """The worst of so many mixes; tells of each."""
    rng = random.Random(seed)
    first = [_try(watch, _mix(rng), tell) for _ in range(max(min(FIRST_MIXES, tries), 1))]
    rates = sorted(measured.ns_per_fuel for _, measured in first)
    worst, best = max(first, key=lambda item: _rate(item[1]))
    best = _confirmed(watch, worst, best)
    current, rate, idle = worst, best.ns_per_fuel, 0
    for _ in range(tries - len(first)):
        if idle >= PATIENCE:
            current, rate, idle = _mix(rng), 0.0, 0
        mix, measured = _try(watch, _changed(rng, current), tell)
        if measured.ns_per_fuel > rate:
            current, rate, idle = mix, measured.ns_per_fuel, 0
        else:
            idle += 1
        if measured.ns_per_fuel > best.ns_per_fuel:
            best = max(best, _confirmed(watch, mix, measured), key=_rate)
    return Found(best, rates[len(rates) // 2], tries)


def _try(
    watch: Stopwatch, mix: tuple[Snippet, ...], tell: Callable[[Measured], None]
) -> tuple[tuple[Snippet, ...], Measured]:
    measured = watch.measure(" + ".join(item.name for item in mix), mix)
    tell(measured)
    return mix, measured


def _confirmed(watch: Stopwatch, mix: tuple[Snippet, ...], first: Measured) -> Measured:
    """A record that does not happen again was a neighbour on this machine."""
    again = [watch.measure(first.name, mix) for _ in range(CONFIRMATIONS)]
    return min([first, *again], key=_rate)


def _rate(measured: Measured) -> float:
    return measured.ns_per_fuel


def _mix(rng: random.Random) -> tuple[Snippet, ...]:
    return tuple(rng.choice(SNIPPETS) for _ in range(rng.randint(2, SNIPPETS_MAX)))


def _changed(rng: random.Random, mix: tuple[Snippet, ...]) -> tuple[Snippet, ...]:
    found = list(mix)
    at = rng.randrange(len(found))
    match rng.randrange(4):
        case 0 if len(found) < SNIPPETS_MAX:
            found.insert(at, rng.choice(SNIPPETS))
        case 1 if len(found) > 1:
            del found[at]
        case 2 if len(found) < SNIPPETS_MAX:
            found.insert(at, found[at])
        case _:
            found[at] = rng.choice(SNIPPETS)
    return tuple(found)

"""Prices from times: non-negative least squares, in plain Python.

A workload's time is the sum over its instructions' classes of how many there are times what one
takes. There are more workloads than classes and no class takes less than nothing, so the times of
the classes that come nearest to all measurements are found by coordinate descent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ROUNDS = 2_000


def non_negative_least_squares(
    rows: Sequence[Mapping[str, float]], wanted: Sequence[float]
) -> dict[str, float]:
    """The values of the names in `rows`, none below zero, with the least squared error.

    Each row is divided by what is wanted of it, so that errors are shares and the slow workloads
    do not decide everything.
    """
    scaled = [
        {name: value / target for name, value in row.items()}
        for row, target in zip(rows, wanted, strict=True)
        if target > 0
    ]
    names = sorted({name for row in scaled for name in row})
    found = dict.fromkeys(names, 0.0)
    errors = [1.0] * len(scaled)  # what is wanted, less what is found
    columns = {
        name: [(at, row[name]) for at, row in enumerate(scaled) if row.get(name)] for name in names
    }
    squares = {name: sum(value * value for _, value in column) for name, column in columns.items()}
    for _ in range(ROUNDS):
        for name, column in columns.items():
            step = sum(errors[at] * value for at, value in column) / squares[name]
            step = max(step, -found[name])
            if step:
                found[name] += step
                for at, value in column:
                    errors[at] -= step * value
    return found


def proposals(
    times_ns: Mapping[str, Mapping[str, float]], base: Mapping[str, float]
) -> dict[str, float]:
    """Times by backend and class to prices: the largest over the backends, in units of each
    backend's own base."""
    found: dict[str, float] = {}
    for backend, classes in times_ns.items():
        for name, time_ns in classes.items():
            found[name] = max(found.get(name, 0.0), time_ns / base[backend])
    return found

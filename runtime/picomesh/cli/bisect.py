"""Comparing two histories: of homes, files or engines that run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import json_option
from picomesh.cli.backends import BACKENDS
from picomesh.cli.histories import Histories, open_place
from picomesh.cli.output import print_json, visible
from picomesh.cli.problems import Answered, fail

if TYPE_CHECKING:
    from picomesh.engine.bisect import Finding, Side


@click.command()
@click.argument("a")
@click.argument("b")
@click.option("--pico", help="The pico to compare. Default: all that both have.")
@click.option(
    "--backend-a",
    type=click.Choice(BACKENDS),
    default=BACKENDS[0],
    show_default=True,
    help="What runs A again.",
)
@click.option(
    "--backend-b",
    type=click.Choice(BACKENDS),
    default=BACKENDS[0],
    show_default=True,
    help="What runs B again.",
)
@json_option
def bisect(a: str, b: str, pico: str | None, backend_a: str, backend_b: str, as_json: bool) -> None:
    """Find where two histories of a pico part, down to the line of source.

    A and B are homes, files that `picomesh export` wrote, or URLs of engines that run
    (`http://:TOKEN@host:port`, or the token in PICOMESH_TOKEN). Finds the first receipt that
    differs, runs it again from each side's own record, and says who does not come to what it
    recorded, the first host call that is another one, the fuel up to which they agree, and the
    rule and line that made the call. Exits with 1 when the histories differ.
    """
    from picomesh.engine.bisect import Side
    from picomesh.engine.bisect import bisect as compare

    with both(a, b, backend_a, backend_b) as (first, second):
        findings: list[Finding] = []
        for name in common_picos(first, second, pico):
            sides = [
                Side(label, item.source, item.programs)
                for label, item in (("A", first), ("B", second))
            ]
            findings.append(compare(sides[0], sides[1], name))
    for finding in findings:
        if as_json:
            print_json(finding_json(finding))
        else:
            _print(finding)
    if not all(is_same(finding) for finding in findings):
        raise Answered


@contextmanager
def both(
    a: str, b: str, backend_a: str = "cranelift", backend_b: str = "cranelift"
) -> Iterator[tuple[Histories, Histories]]:
    """Two places, whatever each is."""
    if Path(a).is_dir() and Path(b).is_dir() and Path(a).resolve() == Path(b).resolve():
        raise fail(f"A and B are one home, {a}", "export it first, to compare it with a later self")
    with ExitStack() as stack:
        first = stack.enter_context(open_place(a, backend_a))
        yield first, stack.enter_context(open_place(b, backend_b))


def common_picos(a: Histories, b: Histories, pico: str | None) -> list[str]:
    """The picos that both have, or the one that is asked for."""
    known = {item for item, _ in b.known}
    if pico is not None:
        found = a.find(pico)
        if found not in known:
            raise fail(f"B has no pico {found}")
        return [found]
    common = [item for item, _ in a.known if item in known]
    if not common:
        raise fail("A and B have no pico in common", "a pico is the same one by its id")
    return common


def is_same(finding: Finding) -> bool:
    """Whether the two histories were compared, and one is the other or continues it."""
    return finding.seq is None and not finding.is_apart


def finding_json(finding: Finding) -> dict[str, Any]:
    """A comparison for a program."""
    row: dict[str, Any] = {
        "pico": finding.pico,
        "ok": is_same(finding),
        "first": list(finding.starts),
        "receipts": list(finding.receipts),
        "looks": finding.looks,
    }
    if finding.seq is None:
        return row
    row |= {"seq": finding.seq, "field": finding.differs_in, "values": list(finding.values)}
    row["earlier"] = finding.is_older
    row["given"] = list(finding.given)
    if finding.sides is not None:
        row["sides"] = [_side_json(side) for side in finding.sides]
    found = finding.explained
    if found is not None:
        row |= {"fuel": found.fuel, "call": found.call, "a": found.a, "b": found.b}
        if found.where is not None:
            where = found.where
            row["where"] = {
                "rid": where.rid,
                "function": where.function,
                "file": where.file,
                "line": where.line,
            }
    return row


def _side_json(side: Side) -> dict[str, Any]:
    differs = None if side.divergence is None else side.divergence.field
    return {"label": side.label, "ok": side.reproduces, "field": differs, "text": side.problem}


def _print(finding: Finding) -> None:
    click.echo(f"pico {finding.pico}")
    if finding.seq is None:
        click.echo(f"  {_agreement(finding)}")
        return
    if finding.is_older:
        click.echo(f"  they part before receipt {finding.seq}, the first that both have")
    else:
        click.echo(f"  the first {finding.seq} receipts are the same ({finding.looks} looks)")
    click.echo(f"  receipt {finding.seq} differs in {finding.differs_in}")
    for label, value in zip("AB", finding.values, strict=True):
        click.echo(visible(f"    {label} {value}"))
    if finding.given:
        click.echo(f"  they were given something else: {', '.join(finding.given)}")
    for side in finding.sides or ():
        click.echo(visible(f"  {_verdict(side)}"))
    found = finding.explained
    if found is None:
        click.echo("  no host call differs")
        return
    where = "" if found.where is None else f"{found.where}: "
    click.echo(visible(f"agree until fuel {found.fuel:,}; {where}A {found.a}, B {found.b}"))


def _agreement(finding: Finding) -> str:
    sides = list(zip("AB", finding.starts, finding.receipts, strict=True))
    if any(finding.starts):
        has = ", ".join(f"{label} has receipts {first} to {n - 1}" for label, first, n in sides)
    else:
        has = ", ".join(f"{label} has {count} receipts" for label, _, count in sides)
    if finding.is_apart:
        return f"no receipt that both have: {has}"
    a, b = finding.receipts
    return f"{'the same history' if a == b else 'one continues the other'}: {has}"


def _verdict(side: Side) -> str:
    if side.problem:
        return f"{side.label} cannot be run again: {side.problem}"
    if side.divergence is not None:
        return f"{side.label} does not come to what it recorded: {side.divergence.field} is another"
    return f"{side.label}, run again, comes to what it recorded"

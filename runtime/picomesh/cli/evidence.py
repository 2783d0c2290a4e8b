"""Evidence against an engine that signed two histories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.arguments import json_option
from picomesh.cli.bisect import both, common_picos
from picomesh.cli.files import new_file
from picomesh.cli.output import print_json
from picomesh.cli.problems import Answered

if TYPE_CHECKING:
    from picomesh.cli.histories import Histories
    from picomesh.ledger.cid import Cid
    from picomesh.ledger.receipt import Receipt


@click.group()
def evidence() -> None:
    """Prove that an engine signed two receipts for one place."""


@evidence.command()
@click.argument("a")
@click.argument("b")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The file to write."
)
@click.option("--pico", help="The pico to compare. Default: all that both have.")
@json_option
def make(a: str, b: str, output: Path, pico: str | None, as_json: bool) -> None:
    """Compare two histories and write evidence of the first two receipts that contradict.

    A and B are homes, exported files or URLs of running engines, or two proofs. Exits with 1 if
    there is nothing to prove: the histories agree, or one of the receipts was not signed by the
    pico's engine.
    """
    for data in _contradictions(a, b, pico):
        with new_file(output) as file:
            file.write(data)
        _print(output, data, as_json)
        return
    if as_json:
        print_json({"ok": False})
    else:
        click.echo("nothing to prove: no two receipts for one place, both signed")
    raise Answered


def _contradictions(a: str, b: str, pico: str | None) -> Iterator[bytes]:
    """Files that convict, the first of each pico."""
    from picomesh.engine.prove import proved_receipt

    if Path(a).is_file() and Path(b).is_file():
        pair = [proved_receipt(Path(name).read_bytes()) for name in (a, b)]
        if pair[0] is not None and pair[1] is not None:
            (first, made), (second, _) = pair[0], pair[1]
            data = _checked(first, second, made)
            yield from [] if data is None else [data]
            return
    with both(a, b) as (one, other):
        for name in common_picos(one, other, pico):
            data = _contradiction(one, other, name)
            yield from [] if data is None else [data]


def _contradiction(a: Histories, b: Histories, pico: str) -> bytes | None:
    """The file about the first receipts of a pico that differ; None if they prove nothing."""
    from picomesh.engine.bisect import first_difference
    from picomesh.engine.makers import makers_of
    from picomesh.engine.sources import get_receipt
    from picomesh.ledger.receipt import Receipt

    seq, _ = first_difference(a.source, b.source, pico)
    if seq is None:
        return None
    rows = [get_receipt(item.source, pico, seq) for item in (a, b)]
    receipts = [Receipt(row.core, row.envelope) for row in rows]
    return _checked(receipts[0], receipts[1], makers_of(a.source, pico))


def _checked(a: Receipt, b: Receipt, makers: dict[Cid, bytes]) -> bytes | None:
    """The file about two receipts, if it convicts."""
    from picomesh.engine.makers import maker_of
    from picomesh.ledger.errors import LedgerError
    from picomesh.ledger.evidence import encode_evidence, read_evidence

    data = encode_evidence(a, b, makers)
    try:
        read_evidence(data, maker_of)
    except LedgerError:
        return None
    return data


@evidence.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Check a file of evidence; needs nothing else. Exits with 1 if it proves nothing."""
    from picomesh.engine.makers import maker_of
    from picomesh.ledger.errors import LedgerError
    from picomesh.ledger.evidence import read_evidence

    data = file.read_bytes()
    try:
        read_evidence(data, maker_of)
    except LedgerError as problem:
        if as_json:
            print_json({"ok": False, "text": str(problem)})
        else:
            click.echo(f"refused: {problem}")
        raise Answered from problem
    _print(file, data, as_json)


def _print(file: Path, data: bytes, as_json: bool) -> None:
    from picomesh.engine.makers import maker_of
    from picomesh.engine.replay import compare
    from picomesh.ledger.evidence import read_evidence

    found = read_evidence(data, maker_of)
    difference = compare(*found.cores)
    assert difference is not None, "two cores with two names differ"
    if as_json:
        print_json(
            {
                "ok": True,
                "file": str(file),
                "engine": found.engine.hex(),
                "pico": found.pico,
                "seq": found.seq,
                "field": difference.field,
                "values": [difference.recorded, difference.replayed],
            }
        )
        return
    click.echo(f"{file}: {len(data):,} bytes")
    click.echo(f"engine {found.engine.hex()}")
    click.echo(f"signed two receipts {found.seq} of pico {found.pico}")
    click.echo(f"they differ in {difference.field}")
    click.echo(f"  {difference.recorded}")
    click.echo(f"  {difference.replayed}")

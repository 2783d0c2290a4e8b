"""Commands that look at what was recorded, and check it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import home_option, json_option, utf8
from picomesh.cli.histories import Histories, history_option, open_histories
from picomesh.cli.homes import open_engine
from picomesh.cli.output import moment_text, print_entries, print_json, receipt_json, state_json
from picomesh.cli.problems import Answered

if TYPE_CHECKING:
    from picomesh.engine import Engine
    from picomesh.engine.history import Problem
    from picomesh.ledger.receipt import Receipt


@click.command()
@click.argument("pico")
@click.option("--from", "first", type=click.IntRange(min=0), default=0, help="First receipt.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last receipt.")
@home_option
@json_option
def log(pico: str, first: int, last: int | None, home: Path | None, as_json: bool) -> None:
    """List the receipts of a pico, oldest first: seq, time, kind, outcome, fuel, what.

    With --json, one receipt on each line.
    """
    with open_engine(home) as engine:
        for receipt in engine.log(utf8(pico, "the pico"), first, last):
            if as_json:
                print_json(receipt_json(receipt))
            else:
                click.echo(_log_line(engine, receipt))


def _log_line(engine: Engine, receipt: Receipt) -> str:
    core = receipt.core
    moment = moment_text(core.time)
    return (
        f"{core.seq:>6}  {moment}  {core.kind:<9}  {core.outcome:<12}  {core.fuel:>12,}  "
        f"{_what(engine, receipt)}"
    )


def _what(engine: Engine, receipt: Receipt) -> str:
    from picomesh.engine.inputs import (
        Adopt,
        Create,
        Delete,
        Event,
        Import,
        Install,
        Spawn,
        Uninstall,
        decode_input,
    )

    match decode_input(engine.store.block(receipt.core.event)):
        case Create(name=name):
            return name
        case Event(domain=domain, name=name):
            return f"{domain}:{name}"
        case Install(rid=rid) | Uninstall(rid=rid):
            return rid
        case Adopt(part=part):
            return part
        case Spawn(parent=parent):
            return f"child of {parent}"
        case Import(was=was, entities=entities):
            return was or f"{len(entities)} entity variables"
        case Delete():
            return ""


@click.command()
@click.argument("pico")
@click.argument("seq", required=False, type=click.IntRange(min=0))
@home_option
@json_option
def show(pico: str, seq: int | None, home: Path | None, as_json: bool) -> None:
    """Show a pico: rulesets, channels, entity variables; or with SEQ one of its receipts."""
    with open_engine(home) as engine:
        pico = engine.find(utf8(pico, "the pico"))
        if seq is None:
            print_entries(_pico_json(engine, pico), as_json)
        else:
            receipt = engine.receipt(pico, seq)
            print_entries({**receipt_json(receipt), **_details(engine, receipt)}, as_json)


def _pico_json(engine: Engine, pico: str) -> dict[str, Any]:
    head = engine.store.head(pico)
    return {
        "pico": pico,
        "name": dict(engine.store.picos())[pico],
        "receipts": 0 if head is None else head.seq + 1,
        **state_json(engine.state(pico)),
    }


def _details(engine: Engine, receipt: Receipt) -> dict[str, Any]:
    """What the receipt links to, decoded."""
    from picomesh.engine.inputs import Event, decode_input
    from picomesh.ledger.codec import decode_block
    from picomesh.ledger.value import decode_value

    details: dict[str, Any] = {}
    given = decode_input(engine.store.block(receipt.core.event))
    if isinstance(given, Event):
        details["given"] = {
            "eci": given.eci,
            "domain": given.domain,
            "name": given.name,
            "attrs": decode_value(given.attrs),
            "eid": given.eid,
        }
    if receipt.envelope.logs is not None:
        logs = decode_block(engine.store.block(receipt.envelope.logs))
        if isinstance(logs, dict) and logs.get("message"):
            details["message"] = logs["message"]
    return details


@click.command()
@click.argument("pico", required=False)
@home_option
@history_option
@json_option
def verify(pico: str | None, home: Path | None, history: str | None, as_json: bool) -> None:
    """Check every stored byte: hashes, chain, signatures, state roots. Runs nothing.

    Without PICO, all of a home or file. Says the receipt and field of the first thing in each
    history that is wrong, and by whose fault, and exits with 1.
    """
    from picomesh.engine.history import verify_home
    from picomesh.store.store import Store

    with open_histories(home, history) as histories:
        problems: list[Problem] = []
        if pico is None and isinstance(histories.source, Store):
            checked = verify_home(histories.source, histories.engine)
            problems += checked.problems
            receipts = checked.receipts
        else:
            receipts = 0
            for found, name in histories.picos(pico):
                good, problem = _verify_one(histories, found, name)
                receipts += good
                problems += [] if problem is None else [problem]
    if as_json:
        rows = [{"place": item.place, "text": item.text, "fault": item.fault} for item in problems]
        print_json({"ok": not problems, "receipts": receipts, "problems": rows})
    else:
        for item in problems:
            click.echo(f"{item.place}: {item.text}")
            if item.fault:
                click.echo(f"  {item.fault}")
        click.echo(f"{receipts} receipts {'good' if not problems else 'before the damage good'}")
    if problems:
        raise Answered


def _verify_one(histories: Histories, pico: str, name: str) -> tuple[int, Problem | None]:
    """How many receipts of a pico are good, and what is wrong with the next."""
    from picomesh.engine.history import Problem, verify_pico, verify_run
    from picomesh.ledger.errors import BrokenHistory
    from picomesh.store.store import Store

    source = histories.source
    try:
        if isinstance(source, Store):
            return verify_pico(source, histories.engine, pico, name), None
        return verify_run(source, histories.engine, pico, name), None
    except BrokenHistory as broken:
        place = f"pico {pico}, receipt {broken.seq}, {broken.field}"
        return broken.seq, Problem(place, broken.text, broken.fault)

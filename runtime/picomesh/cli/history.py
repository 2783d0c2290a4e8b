"""Commands that look at what was recorded, and check it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import backend_option, home_option, json_option, utf8
from picomesh.cli.homes import open_engine
from picomesh.cli.output import print_json, receipt_json, to_json
from picomesh.cli.problems import Answered, fail

if TYPE_CHECKING:
    from picomesh.engine import Engine
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
    moment = datetime.fromtimestamp(core.time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
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
            _print(_pico_json(engine, pico), as_json)
        else:
            receipt = engine.receipt(pico, seq)
            _print({**receipt_json(receipt), **_details(engine, receipt)}, as_json)


def _print(entries: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(entries)
        return
    for key, value in entries.items():
        if isinstance(value, list | dict) and len(to_json(value)) > 80:
            click.echo(f"{key}: {json.dumps(value, indent=2, ensure_ascii=False)}")
        else:
            click.echo(f"{key}: {value if isinstance(value, str) else to_json(value)}")


def _pico_json(engine: Engine, pico: str) -> dict[str, Any]:
    from picomesh.engine.entities import ENTITIES, read_entities

    state = engine.state(pico)
    head = engine.store.head(pico)
    return {
        "pico": pico,
        "name": dict(engine.store.picos())[pico],
        "receipts": 0 if head is None else head.seq + 1,
        "root": str(state.root),
        "rulesets": [{"rid": item.rid, "url": item.url} for item in state.rulesets()],
        "channels": state.channels(),
        "entities": read_entities(state.items(ENTITIES)),
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
@json_option
def verify(pico: str | None, home: Path | None, as_json: bool) -> None:
    """Check every stored byte: hashes, chain, signatures, state roots. Runs nothing.

    Without PICO, all of a home. Says the place of what is wrong and exits with 1.
    """
    from picomesh.engine.history import Problem, verify_home, verify_pico
    from picomesh.ledger.errors import BrokenHistory

    with open_engine(home) as engine:
        problems: list[Problem] = []
        if pico is None:
            checked = verify_home(engine.store, engine.public_key)
            problems += checked.problems
            receipts = checked.receipts
        else:
            found = engine.find(utf8(pico, "the pico"))
            name = dict(engine.store.picos())[found]
            try:
                receipts = verify_pico(engine.store, engine.public_key, found, name)
            except BrokenHistory as problem:
                receipts = problem.seq
                place = f"receipt {problem.seq}, {problem.field}"
                problems.append(Problem(place, problem.text))
    if as_json:
        rows = [{"place": item.place, "text": item.text} for item in problems]
        print_json({"ok": not problems, "receipts": receipts, "problems": rows})
    else:
        for item in problems:
            click.echo(f"{item.place}: {item.text}")
        click.echo(f"{receipts} receipts {'good' if not problems else 'before the damage good'}")
    if problems:
        raise Answered


@click.command()
@click.argument("pico")
@click.option("--from", "first", type=click.IntRange(min=0), default=0, help="First receipt.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last receipt.")
@home_option
@backend_option
@json_option
def replay(
    pico: str, first: int, last: int | None, home: Path | None, backend: str, as_json: bool
) -> None:
    """Run a pico's recorded history again and compare every receipt, field by field.

    First everything that is stored of the pico is checked, as `picomesh verify` does.
    Any backend, release and machine must come to the same receipts. Names the first receipt and
    field that differ, and exits with 1. A replay from the first receipt on trusts nothing; one
    that begins later trusts the state it begins with.
    """
    from picomesh.engine.history import verify_pico
    from picomesh.engine.replay import replay as run_again
    from picomesh.ledger.errors import BrokenHistory

    with open_engine(home, backend) as engine:
        pico = engine.find(utf8(pico, "the pico"))
        rows = engine.store.receipts(pico, first, last)
        if not rows:
            raise fail(f"there are no receipts from {first}", "`picomesh log` lists them")
        before = engine.store.receipt(pico, first - 1) if first else None
        count = fuel = 0
        try:
            verify_pico(engine.store, engine.public_key, pico, dict(engine.store.picos())[pico])
            for item in run_again(engine.programs, engine.store, rows, before):
                if item.divergence is not None:
                    _say_divergence(item.divergence, as_json)
                    raise Answered
                count += 1
                fuel += item.fuel
        except BrokenHistory as problem:
            if as_json:
                place = {"seq": problem.seq, "field": problem.field, "text": problem.text}
                print_json({"ok": False, **place})
            else:
                click.echo(f"receipt {problem.seq}, {problem.field}: {problem.text}")
            raise Answered from problem
    if as_json:
        print_json({"ok": True, "replayed": count, "fuel": fuel, "backend": backend})
    else:
        click.echo(f"{count} receipts replayed with {backend}, all equal; {fuel:,} fuel")


def _say_divergence(divergence: Any, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "ok": False,
                "seq": divergence.seq,
                "field": divergence.field,
                "recorded": divergence.recorded,
                "replayed": divergence.replayed,
            }
        )
        return
    click.echo(f"receipt {divergence.seq} differs in {divergence.field}")
    click.echo(f"  recorded {divergence.recorded}")
    click.echo(f"  replayed {divergence.replayed}")

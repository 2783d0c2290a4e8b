"""`picomesh logs`: what the rules of a pico logged, also when their transition failed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from picomesh.cli.arguments import home_option, json_option, utf8
from picomesh.cli.homes import open_engine
from picomesh.cli.output import print_json, to_json


@click.command()
@click.argument("pico")
@click.option("--rid", default="", help="Only of this ruleset.")
@click.option("--rule", default="", help="Only of this rule.")
@home_option
@json_option
def logs(pico: str, rid: str, rule: str, home: Path | None, as_json: bool) -> None:
    """Show what a pico's rules logged, oldest first: receipt, time, level, rule, text, value.

    A transition that failed keeps its lines, and the error is one of them.
    """
    from picomesh.engine.logs import logs_of

    with open_engine(home) as engine:
        for line in logs_of(engine.store, engine.find(utf8(pico, "the pico"))):
            if (rid and line.rid != rid) or (rule and line.rule != rule):
                continue
            if as_json:
                print_json(line.as_value())
                continue
            moment = datetime.fromtimestamp(line.time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            where = f"{line.rid} {line.rule}".strip()
            text = f"{line.seq:>6}  {moment}  {line.level:<5}  {where}  {line.message}"
            click.echo(f"{text}  {to_json(line.value)}")

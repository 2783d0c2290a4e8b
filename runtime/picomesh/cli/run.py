"""`picomesh run`: a ruleset, some events, and what became of them, without keeping anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.arguments import (
    SequenceCommand,
    Step,
    backend_option,
    json_option,
    parse_event,
    sequence,
)
from picomesh.cli.output import (
    logs_json,
    print_json,
    print_logs,
    print_outcome,
    print_response,
    response_json,
    to_json,
)
from picomesh.cli.problems import Answered, fail
from picomesh.cli.rulesets import load_module

if TYPE_CHECKING:
    from picomesh.engine import Engine


@click.command(cls=SequenceCommand)
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--event", multiple=True, metavar="DOMAIN:TYPE", help="Send an event. Repeatable.")
@click.option("--attr", multiple=True, metavar="K=V", help="Attribute of the event before it.")
@click.option("--query", multiple=True, metavar="FN", help="Ask a shared function. Repeatable.")
@click.option("--arg", multiple=True, metavar="K=V", help="Argument of the query before it.")
@click.option("--fuel", type=click.IntRange(min=1), help="Fuel limit of each transition.")
@backend_option
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    sources: tuple[Path, ...],
    event: tuple[str, ...],
    attr: tuple[str, ...],
    query: tuple[str, ...],
    arg: tuple[str, ...],
    fuel: int | None,
    backend: str,
    as_json: bool,
) -> None:
    """Compile rulesets, install them on a new pico, and send it events and queries in order.

    The pico is gone when the command ends. An event prints its directives, the fuel it took and
    its receipt; a query prints its answer.

    \b
    Attributes and arguments are text; written with := they are JSON:
      picomesh run hello.krl --event hello:world --attr name=Ada --attr age:=36
      picomesh run count.krl --event count:up --event count:up --query total

    With several rulesets, name a function of a certain one: --query RID:FN.
    """
    from pico_abi.limits import FUEL_LIMIT_DEFAULT
    from picomesh.engine import Engine, Options
    from picomesh.store.home import default_home

    steps = sequence(ctx)
    modules = [load_module(path) for path in sources]
    options = Options(
        backend=backend, fuel_limit=fuel or FUEL_LIMIT_DEFAULT, cache=default_home() / "cache"
    )
    good = True
    with Engine.ephemeral(options) as engine:
        pico = engine.create().pico
        for module in modules:
            installed = engine.install_module(
                pico, module.raw, source=module.source, url=module.url
            )
            if installed.transition.outcome != "ok":
                click.echo(f"install of {module.url}", err=True)
                print_response(installed)
                raise Answered
        for step in steps:
            good = _step(engine, pico, step, as_json) and good
    if not good:
        raise Answered


def _step(engine: Engine, pico: str, step: Step, as_json: bool) -> bool:
    if step.kind == "event":
        domain, name = parse_event(step.target)
        response = engine.send(pico, domain, name, step.given)
        if as_json:
            print_json({"event": step.target, **response_json(response)})
        else:
            click.echo(f"event {step.target}")
            print_response(response)
        return response.transition.outcome == "ok"
    return _query(engine, pico, step, as_json)


def _query(engine: Engine, pico: str, step: Step, as_json: bool) -> bool:
    from picomesh.ledger.value import decode_value

    rid, function = which_function(engine, pico, step.target)
    done = engine.run_query(pico, rid, function, step.given)
    answer = decode_value(done.answer) if done.outcome == "ok" else None
    if as_json:
        print_json(
            {
                "query": f"{rid}:{function}",
                "outcome": done.outcome,
                "message": done.message,
                "answer": answer,
                "fuel": done.fuel,
                "logs": logs_json(done),
            }
        )
        return done.outcome == "ok"
    click.echo(f"query {rid}:{function}")
    print_logs(done)
    if done.outcome == "ok":
        click.echo(f"  answer {to_json(answer)}")
    print_outcome(done)
    return done.outcome == "ok"


def which_function(engine: Engine, pico: str, text: str) -> tuple[str, str]:
    """RID:FN, or FN of the first ruleset that shares it."""
    from krl.diagnostic import nearest

    rid, colon, function = text.rpartition(":")
    if colon:
        return rid, function
    shared: list[str] = []
    rids: list[str] = []
    for record in engine.state(pico).rulesets():
        names = [
            item.name for item in engine.programs.manifest(record.metered, engine.store).shares
        ]
        if text in names or text == "__testing":
            return record.rid, text
        rids.append(record.rid)
        shared += names
    near = nearest(text, shared)
    hint = f"did you mean {near}?" if near else f"shared are: {', '.join(shared) or 'none'}"
    raise fail(f"no ruleset shares a function {text}", hint)

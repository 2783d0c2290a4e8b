"""Commands for picos that are kept: make them, install on them, send to them, ask them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.arguments import (
    backend_option,
    home_option,
    json_option,
    parse_event,
    parse_pairs,
    utf8,
)
from picomesh.cli.homes import open_engine
from picomesh.cli.output import print_json, print_logs, print_response, response_json, to_json
from picomesh.cli.problems import Answered
from picomesh.cli.rulesets import load_module

if TYPE_CHECKING:
    from picomesh.engine import Engine, Response


@click.command()
@click.argument("name", required=False, default="")
@click.option("--name", "named", default="", help="The same as NAME.")
@home_option
@json_option
def new(name: str, named: str, home: Path | None, as_json: bool) -> None:
    """Make a pico and print its id.

    NAME is how this home calls it; every command takes the name, the id, or the beginning of the
    id. The id is the hash of the event that made the pico, and stays with it for ever.
    """
    chosen = utf8(named or name, "the name")
    with open_engine(home) as engine:
        response = engine.create(chosen)
        if as_json:
            eci = engine.eci(response.pico)
            print_json({**response_json(response), "name": chosen, "eci": eci})
        else:
            click.echo(response.pico)


@click.command()
@click.argument("pico")
@click.argument("sources", nargs=-1, required=True)
@click.option("--config", multiple=True, metavar="K=V", help="Configuration of the ruleset.")
@home_option
@json_option
def install(
    pico: str, sources: tuple[str, ...], config: tuple[str, ...], home: Path | None, as_json: bool
) -> None:
    """Install rulesets on a pico: .krl files, which are compiled, or .wasm modules.

    A source is a path, an http or https URL, or the content id of a module that this home has. A
    ruleset that is installed already is replaced; what it stored stays.
    """
    settings = parse_pairs(config, "--config")
    named = [utf8(source, "a source") for source in sources]
    modules = {path: load_module(Path(path)) for path in named if not _is_url(path)}
    with open_engine(home) as engine:
        pico = engine.find(utf8(pico, "the pico"))
        for source in named:
            if source in modules:
                found = modules[source]
                response = engine.install_module(
                    pico, found.raw, source=found.source, url=found.url, config=settings
                )
            else:
                response = engine.install_from(pico, source, settings)
            if as_json:
                print_json(response_json(response))
            else:
                click.echo(f"install {_installed(engine, response)}")
                print_response(response)
            if response.transition.outcome != "ok":
                raise Answered


def _is_url(source: str) -> bool:
    """Whether a source is no path: a URL of the web, or a content id."""
    from picomesh.engine.naming import cid_of_url

    if source.lower().startswith(("http://", "https://")):
        return True
    return cid_of_url(source) is not None and not Path(source).exists()


def _installed(engine: Engine, response: Response) -> str:
    """The ruleset that an install was for."""
    from picomesh.engine.inputs import Install, decode_input

    given = decode_input(engine.store.block(response.receipt.core.event))
    assert isinstance(given, Install), "it was one"
    return given.rid


@click.command()
@click.argument("pico")
@click.argument("rid")
@home_option
@json_option
def uninstall(pico: str, rid: str, home: Path | None, as_json: bool) -> None:
    """Remove a ruleset from a pico, with everything it stored."""
    with open_engine(home) as engine:
        response = engine.uninstall(utf8(pico, "the pico"), utf8(rid, "the ruleset"))
        if as_json:
            print_json(response_json(response))
        else:
            click.echo(f"uninstall {rid}")
            print_response(response)


@click.command()
@click.argument("pico")
@click.argument("event", metavar="DOMAIN:TYPE")
@click.option("--attr", multiple=True, metavar="K=V", help="Attribute; k:=v is JSON. Repeatable.")
@click.option("--eci", help="Channel. Default: the pico's first.")
@home_option
@backend_option
@json_option
def send(
    pico: str,
    event: str,
    attr: tuple[str, ...],
    eci: str | None,
    home: Path | None,
    backend: str,
    as_json: bool,
) -> None:
    """Send an event to a pico and print what came of it.

    The event is durable before it runs; after a crash it runs when the next one is sent. What the
    picos of this home send each other is done at once. What goes elsewhere, and what is scheduled,
    waits until `picomesh engine` runs. Exits with 1 when the transition did not end well; the pico
    is then as it was before.

    \b
    picomesh send me hello:world --attr name=Ada --attr age:=36
    """
    domain, name = parse_event(event)
    attrs = parse_pairs(attr, "--attr")
    with open_engine(home, backend) as engine:
        response = engine.send(utf8(pico, "the pico"), domain, name, attrs, eci=eci)
        if as_json:
            print_json({"event": f"{domain}:{name}", **response_json(response)})
        else:
            click.echo(f"event {domain}:{name}")
            print_response(response)
            if engine.store.outgoing():
                click.echo("deliveries to elsewhere wait until `picomesh engine` runs", err=True)
    if response.transition.outcome != "ok":
        raise Answered


@click.command()
@click.argument("pico")
@click.argument("function", metavar="[RID:]FN")
@click.argument("more", required=False, metavar="")
@click.option("--arg", multiple=True, metavar="K=V", help="Argument; k:=v is JSON. Repeatable.")
@click.option("--eci", help="Channel. Default: the pico's first.")
@home_option
@backend_option
@json_option
def query(
    pico: str,
    function: str,
    more: str | None,
    arg: tuple[str, ...],
    eci: str | None,
    home: Path | None,
    backend: str,
    as_json: bool,
) -> None:
    """Ask a function that a ruleset shares; a query never changes the pico.

    Name the function alone, or with its ruleset: RID:FN, or RID FN. Prints the answer as JSON.

    \b
    picomesh query me count:total --arg unit=day
    """
    from picomesh.cli.run import which_function

    args = parse_pairs(arg, "--arg")
    wanted = utf8(function if more is None else f"{function}:{more}", "the function")
    with open_engine(home, backend) as engine:
        pico = engine.find(utf8(pico, "the pico"))
        rid, name = which_function(engine, pico, wanted)
        done = engine.run_query(pico, rid, name, args, eci=eci)
        if done.outcome != "ok":
            print_logs(done)
            _query_failed(done.outcome, done.message, as_json)
        from picomesh.ledger.value import decode_value

        answer = decode_value(done.answer)
        if as_json:
            print_json({"query": f"{rid}:{name}", "answer": answer, "fuel": done.fuel})
        else:
            print_logs(done)
            click.echo(to_json(answer))


def _query_failed(outcome: str, message: str, as_json: bool) -> None:
    from picomesh.engine.errors import QueryFailed

    if as_json:
        print_json({"outcome": outcome, "message": message})
        raise Answered
    raise QueryFailed(outcome, message)


@click.command("list")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """List the picos of a home: id, receipts, name, and how the last one ended if not well."""
    from picomesh.engine.trouble import trouble_of

    with open_engine(home) as engine:
        for pico, name in engine.store.picos():
            head = engine.store.head(pico)
            count = 0 if head is None else head.seq + 1
            trouble = trouble_of(engine.store, pico)
            ended = None if trouble is None else trouble.outcome
            if as_json:
                row = {"pico": pico, "name": name, "receipts": count, "trouble": ended}
                print_json(row)
            else:
                text = f"{pico}  {count:>6} receipts  {name}"
                click.echo(text if ended is None else f"{text}  ! {ended}")

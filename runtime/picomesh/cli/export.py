"""Histories as files, out of a home and back into one."""

from __future__ import annotations

from pathlib import Path

import click

from picomesh.cli.arguments import home_option, json_option
from picomesh.cli.files import new_file
from picomesh.cli.histories import history_option, open_histories, read_histories
from picomesh.cli.homes import open_engine
from picomesh.cli.output import print_json
from picomesh.cli.problems import fail
from picomesh.cli.progress import progress_bar


@click.command()
@click.argument("picos", nargs=-1)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="The file to write."
)
@click.option("--from", "first", type=click.IntRange(min=0), default=0, help="First receipt.")
@click.option("--to", "last", type=click.IntRange(min=0), help="Last receipt.")
@click.option(
    "--without-states",
    is_flag=True,
    help="Leave out what a replay makes again: states, effects, metered modules.",
)
@home_option
@history_option
@json_option
def export(
    picos: tuple[str, ...],
    output: Path,
    first: int,
    last: int | None,
    without_states: bool,
    home: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Write the histories of picos to a file that others can replay. Without PICOS, all.

    The file holds receipts, inputs, tapes, modules and states, and none of the engine's secrets.
    `picomesh replay --history FILE` checks it from the first byte.
    """
    from picomesh.engine.export import export_histories

    with open_histories(home, history) as histories:
        chosen = [item for pico in picos for item in histories.picos(pico)]
        chosen = chosen or histories.picos(None)
        if not chosen:
            raise fail("there are no picos", "`picomesh new` makes one")
        total = sum(len(histories.source.receipts(pico, first, last)) for pico, _ in chosen)
        with new_file(output) as file, progress_bar(total, "exporting", as_json) as progress:
            for part in export_histories(
                histories.source,
                histories.engine,
                chosen,
                first,
                last,
                not without_states,
                progress,
            ):
                file.write(part)
    size = output.stat().st_size
    if as_json:
        print_json({"file": str(output), "bytes": size, "picos": len(chosen), "receipts": total})
    else:
        click.echo(f"{output}: {total:,} receipts of {len(chosen)} picos, {size:,} bytes")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@home_option
@json_option
def import_(file: Path, home: Path | None, as_json: bool) -> None:
    """Take exported histories into a home: all of a pico, or what it lacks.

    Every receipt is checked and run again before anything is stored. The home must be that of the
    engine which signed them: to bring a lost home back, put its engine.key into an empty folder
    and name that with --home. Others may have seen receipts that the file has not: a home that
    goes on without them signs two pasts, and can be convicted of it.
    """
    from picomesh.engine.restore import restore

    histories = read_histories(file)
    total = sum(len(histories.receipts(pico)) for pico, _ in histories.picos())
    with open_engine(home) as engine, progress_bar(total, "importing", as_json) as progress:
        done = restore(engine, histories, progress)
    for item in done:
        if as_json:
            print_json({"pico": item.pico, "name": item.name, "receipts": item.receipts})
        else:
            click.echo(f"{item.pico} {item.name}: {item.receipts} receipts")

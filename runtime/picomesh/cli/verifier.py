"""The second verifier as files: a page for a browser, and a program for Node."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from picomesh.cli.files import new_file
from picomesh.cli.onepage import one_page
from picomesh.cli.problems import fail

_INSTALLED = Path(__file__).resolve().parents[1] / "verifier"
_IN_THE_REPOSITORY = Path(__file__).resolve().parents[3] / "verifier"


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder to write to, or a file whose name ends in .html; not there yet.",
)
def verifier(output: Path) -> None:
    """Write the second verifier: a static page that audits proofs, in JavaScript.

    It shares nothing with picomesh but the formats, and sends nothing anywhere. As one file it is a
    page that a browser opens by itself. As a folder it is a page for any server of files, and a
    command for Node:

    \b
      picomesh verifier -o audit.html                then open it
      picomesh verifier -o verifier
      node verifier/cli.js P.car
      python3 -m http.server --directory verifier    then open the address
    """
    source = _INSTALLED if _INSTALLED.is_dir() else _IN_THE_REPOSITORY
    if output.exists():
        raise fail(f"{output} is there already", "name one that is not")
    if output.suffix == ".html":
        with new_file(output) as file:
            file.write(one_page(source).encode())
        click.echo(f"{output}: {output.stat().st_size:,} bytes, all there is to it")
        return
    shutil.copytree(source, output)
    click.echo(f"{output / 'index.html'}, and {output / 'cli.js'} for Node")

"""The second verifier as files: a page for a browser, and a program for Node."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from picomesh.cli.problems import fail

_INSTALLED = Path(__file__).resolve().parents[1] / "verifier"
_IN_THE_REPOSITORY = Path(__file__).resolve().parents[3] / "verifier"


@click.command()
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The folder to write to; it must not be there yet.",
)
def verifier(output: Path) -> None:
    """Write the second verifier: a static page that audits proofs, in JavaScript.

    It shares nothing with picomesh but the formats, needs no server but one of files, and sends
    nothing anywhere. In Node it is a command:

    \b
      picomesh verifier -o verifier
      node verifier/cli.js P.car
      python3 -m http.server --directory verifier    then open the page
    """
    source = _INSTALLED if _INSTALLED.is_dir() else _IN_THE_REPOSITORY
    if output.exists():
        raise fail(f"{output} is there already", "name a folder that is not")
    shutil.copytree(source, output)
    click.echo(f"{output / 'index.html'}, and {output / 'cli.js'} for Node")

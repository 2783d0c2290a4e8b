"""`picomesh engine`: the picos of a home behind HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from picomesh.cli.arguments import backend_option, home_option

KILL_AFTER_MS = 60_000


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=3000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--base-url", help="How others reach this engine. Default: http://localhost:PORT.")
@click.option(
    "--rulesets",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder from which picos may install by file: URLs. Default: none.",
)
@click.option("--admin-from-anywhere", is_flag=True, help="Not only from this machine.")
@click.option(
    "--kill-after",
    "kill_after_ms",
    type=click.IntRange(min=1),
    metavar="MS",
    default=KILL_AFTER_MS,
    show_default=True,
    help="Kill a transition that takes longer, and try its event again later.",
)
@click.option(
    "--compile-apart",
    "compile_ms_max",
    type=click.IntRange(min=1),
    metavar="MS",
    help="Compile modules in a process of its own, no longer than this.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=0,
    show_default=True,
    help="Processes that run transitions of many picos side by side.",
)
@click.option("--no-kernel", is_flag=True, help="Run every event in Python: slower, same receipts.")
@home_option
@backend_option
def engine(
    port: int,
    host: str,
    base_url: str | None,
    rulesets: Path | None,
    admin_from_anywhere: bool,
    kill_after_ms: int,
    compile_ms_max: int | None,
    workers: int,
    no_kernel: bool,
    home: Path | None,
    backend: str,
) -> None:
    """Serve the picos of a home over HTTP, until SIGTERM or Ctrl-C.

    Events and queries come over channels, by the paths that the reference engine has. Picos are
    administered under /api/v1 with the token in the home's file admin.token. A new home begins with
    a pico called root, which has wrangler, subscription and pds.

    \b
    picomesh engine --home ./home --port 3000
    """
    from picomesh.engine.options import Options
    from picomesh.server.run import Address, serve
    from picomesh.store.home import default_home

    options = Options(
        backend=backend,
        host=base_url or f"http://localhost:{port}",
        files=rulesets,
        kill_after_ms=kill_after_ms,
        compile_ms_max=compile_ms_max,
        workers=workers,
        kernel=not no_kernel,
    )
    address = Address(host, port, admin_from_anywhere)
    serve(home or default_home(), options, address, lambda port, token: _say(host, port, token))


def _say(host: str, port: int, token: str) -> None:
    """Where the developer's page is; the token is for the eyes at a terminal, not for a log."""
    shown = f"[{host}]" if ":" in host else host
    page = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else shown}:{port}/"
    click.echo(page + (f"#token={token}" if sys.stdout.isatty() else ""))

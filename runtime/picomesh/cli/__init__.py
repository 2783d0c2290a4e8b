"""The command line: the only part of picomesh that prints.

Exit codes: 0 done, 1 the answer is no, 2 used wrongly, 3 a defect of picomesh. No traceback
reaches a user; set PICOMESH_TRACEBACK=1 to see it when reporting a defect.
"""

from __future__ import annotations

import os
import sys
import traceback

import click

from picomesh.cli.commands import picomesh
from picomesh.cli.problems import EXIT_DEFECT, EXIT_WRONG_USE, report

_EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


def main() -> None:
    """The entry point of the command `picomesh`."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:  # names that are not UTF-8 must not break a message
            reconfigure(errors="backslashreplace")
    sys.exit(execute(sys.argv[1:]))


def execute(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    try:
        code = picomesh.main(arguments, prog_name="picomesh", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _EXIT_INTERRUPTED
    except KeyboardInterrupt:
        return _EXIT_INTERRUPTED
    except click.ClickException as problem:
        problem.show()
        return EXIT_WRONG_USE
    except BrokenPipeError:
        # Whoever read our output has gone; nothing may be written to it when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as problem:
        return report(problem) or _defect(problem)


def _defect(problem: Exception) -> int:
    text = f"{type(problem).__name__}: {problem}"
    click.echo(f"picomesh: this is a defect of picomesh: {text}", err=True)
    if os.environ.get("PICOMESH_TRACEBACK"):
        click.echo(traceback.format_exc(), err=True)
    else:
        click.echo("picomesh: hint: set PICOMESH_TRACEBACK=1 to see where", err=True)
    return EXIT_DEFECT

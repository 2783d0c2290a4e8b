"""From an exception to a message and an exit code: who is to blame decides both."""

from __future__ import annotations

import click

EXIT_NO = 1
EXIT_WRONG_USE = 2
EXIT_DEFECT = 3


class Answered(Exception):
    """A command that has said its answer, and the answer is no."""


def fail(text: str, hint: str = "") -> click.UsageError:
    """A mistake in how the command was used."""
    return click.UsageError(text + (f"\nhint: {hint}" if hint else ""))


def say_error(text: str, hint: str = "") -> None:
    """An error on standard error, and what to do about it."""
    click.echo(f"picomesh: error: {text}", err=True)
    if hint:
        click.echo(f"picomesh: hint: {hint}", err=True)


def report(problem: Exception) -> int | None:
    """Says what is wrong; returns the exit code, or None when nobody is to blame but us."""
    if isinstance(problem, Answered):
        return EXIT_NO
    # Imported late: these modules bring the WASM engine with them.
    from picomesh.engine.errors import ModuleNotAdmitted, OperatorError, QueryFailed
    from picomesh.ledger.errors import LedgerError
    from picomesh.sandbox.interface import EngineFault
    from picomesh.store.errors import DamagedStore, StoreError

    match problem:
        case QueryFailed():
            say_error(f"the query ended with {problem.outcome}: {problem}", problem.hint)
            return EXIT_NO
        case ModuleNotAdmitted() | DamagedStore():
            say_error(str(problem), problem.hint)
            return EXIT_NO
        case OperatorError() | StoreError():
            say_error(str(problem), problem.hint)
            return EXIT_WRONG_USE
        case LedgerError():
            say_error(f"the record is damaged: {problem}", "bring the home back from a backup")
            return EXIT_NO
        case EngineFault():
            say_error(f"this engine could not carry on: {problem}", "nothing was recorded")
            return EXIT_DEFECT
        case OSError():
            say_error(f"{problem.strerror or problem}: {problem.filename or ''}".rstrip(": "))
            return EXIT_WRONG_USE
        case _:
            return None

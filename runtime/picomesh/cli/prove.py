"""Proofs: making one from a home, and checking one with nothing but the file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from picomesh.cli.arguments import home_option, json_option, utf8
from picomesh.cli.backends import BACKENDS
from picomesh.cli.cache import cache_folder
from picomesh.cli.files import new_file
from picomesh.cli.histories import history_option, open_histories
from picomesh.cli.output import moment_text, print_json, to_json, visible
from picomesh.cli.problems import Answered, fail

if TYPE_CHECKING:
    from picomesh.engine.audit import Audit
    from picomesh.engine.checked import CheckedModules
    from picomesh.engine.performed import Performed
    from picomesh.sandbox.interface import Sandbox


@click.command()
@click.argument("pico")
@click.argument("seq", type=click.IntRange(min=0))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The file. Default: PICO-SEQ.car."
)
@click.option(
    "--without-modules", is_flag=True, help="Leave modules out: for auditors who have them."
)
@home_option
@history_option
@json_option
def prove(
    pico: str,
    seq: int,
    output: Path | None,
    without_modules: bool,
    home: Path | None,
    history: str | None,
    as_json: bool,
) -> None:
    """Write the proof of one receipt: a file with which anybody can check it.

    The file holds the receipt, the one before it, the input, the modules, and the part of the
    state that the transition reads; nothing else of the pico. `picomesh audit` and the page in
    the browser need no other file, no network and no home.
    """
    from picomesh.engine.prove import prove as make_proof

    name = utf8(pico, "the pico")
    with open_histories(home, history) as histories:
        data = make_proof(
            histories.source,
            histories.programs,
            histories.find(name),
            seq,
            histories.signer,
            has_modules=not without_modules,
        )
    path = output or Path(f"{name.replace('/', '_')}-{seq}.car")
    with new_file(path) as file:
        file.write(data)
    if as_json:
        print_json({"file": str(path), "bytes": len(data), "seq": seq})
    else:
        click.echo(f"{path}: {len(data):,} bytes")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--backend",
    type=click.Choice(["other", *BACKENDS]),
    default="other",
    show_default=True,
    help="The WASM engine; other: not the one that the receipt names.",
)
@click.option(
    "--module",
    "modules",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A module (.wasm) that proofs leave out. Repeatable.",
)
@click.option("--pico", "of_pico", help="Refuse a proof of another pico.")
@click.option("--engine", "of_engine", help="Refuse a proof signed by another engine (hex).")
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Folder for modules that were checked. Default: ~/.cache/picomesh.",
)
@json_option
def audit(
    files: tuple[Path, ...],
    backend: str,
    modules: tuple[Path, ...],
    of_pico: str | None,
    of_engine: str | None,
    cache: Path | None,
    as_json: bool,
) -> None:
    """Check proofs: signature, place in the history, code, and the transition itself.

    Needs the file and nothing else. Modules are metered here and checked by a second program; the
    transition runs again on the part of the state that the file holds, and every field of the
    receipt is compared. Names the first check that fails and exits with 1.

    With --json, one line for each file.
    """
    from picomesh.engine.audit import audit as check
    from picomesh.engine.checked import CheckedModules

    folder = cache or cache_folder()
    checked = CheckedModules(folder)
    _add_modules(checked, modules)
    proved = True
    for path in files:
        data = path.read_bytes()
        done = check(data, _sandbox(backend, folder), checked, of_pico, _key(of_engine))
        proved = proved and done.is_proved
        if as_json:
            print_json({"file": str(path), **audit_json(done)})
        else:
            _print_audit(path, done)
    if not proved:
        raise Answered


def _key(text: str | None) -> bytes | None:
    if text is None:
        return None
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise fail(f"--engine {text} is not a key", "write its 64 hexadecimal digits")
    return bytes.fromhex(text)


def _add_modules(checked: CheckedModules, modules: tuple[Path, ...]) -> None:
    from pico_abi.refused import ModuleRefused

    for path in modules:
        try:
            checked.metered(path.read_bytes())
        except ModuleRefused as problem:
            raise fail(f"{path} is not a module of profile pico-1: {problem}") from problem


def _sandbox(backend: str, cache: Path) -> Any:
    """Another engine than the one that signed: a defect of one is no defect of the other."""
    from picomesh.sandbox.backends import BackendOptions
    from picomesh.sandbox.direct import open_sandbox

    def make(recorded: str) -> Sandbox:
        chosen = backend
        if backend == "other":
            chosen = "pulley" if recorded.startswith("cranelift") else "cranelift"
        return open_sandbox(BackendOptions(chosen), cache)

    return make


def audit_json(done: Audit) -> dict[str, Any]:
    """An audit for a program."""
    checks = [{"name": item.name, "ok": True, "text": item.text} for item in done.checks]
    found: dict[str, Any] = {"ok": done.is_proved}
    if done.core is not None:
        core = done.core
        found |= {"pico": core.pico, "seq": core.seq, "kind": core.kind}
        found |= {"outcome": core.outcome, "fuel": core.fuel, "time": core.time}
    if done.envelope is not None:
        found["engine"] = done.envelope.engine.hex()
    if done.refused is not None:
        checks.append({"name": done.refused.name, "ok": False, "text": done.refused.text})
        found |= {"check": done.refused.name, "text": done.refused.text}
    if done.divergence is not None:
        found["field"] = done.divergence.field
    found["checks"] = checks
    if done.performed is not None and done.is_proved:
        found |= {"given": given_json(done), **result_json(done.performed)}
    return found


def given_json(done: Audit) -> dict[str, Any]:
    """What the transition was given."""
    from picomesh.engine.inputs import Event, Install, kind_of
    from picomesh.ledger.value import decode_value

    given = done.given
    match given:
        case None:
            return {}
        case Event():
            attrs = decode_value(given.attrs)
            return {"domain": given.domain, "name": given.name, "attrs": attrs, "eci": given.eci}
        case Install():
            return {"rid": given.rid, "raw": str(given.raw), "url": given.url}
        case _:
            return {"kind": kind_of(given)}


def result_json(performed: Performed) -> dict[str, Any]:
    """What it did: the state's new values, and its effects."""
    from picomesh.ledger.errors import CodecError
    from picomesh.ledger.value import decode_plain, decode_value

    writes: list[dict[str, Any]] = []
    for path, data in performed.transition.writes:
        text = path.decode("utf-8", "backslashreplace")
        value: Any = None
        try:
            value = None if data is None else decode_value(data)
        except CodecError:  # a record of the host's, or of a module that is not KRL's
            value = f"{len(data or b'')} bytes"
        writes.append({"path": text, "removed": data is None, "value": value})
    effects = [
        {"kind": effect.kind, "rid": effect.rid, "effect": decode_plain(effect.data)}
        for effect in performed.transition.effects
        if effect.kind in ("directive", "send")
    ]
    return {"writes": writes, "effects": effects}


def _print_audit(path: Path, done: Audit) -> None:
    click.echo(f"{path}:")
    for check in done.checks:
        click.echo(f"  ok  {check.name:<9}  {check.text}")
    if done.refused is not None:
        click.echo(visible(f"  NO  {done.refused.name:<9}  {done.refused.text}"))
        click.echo("refused: this file does not prove its receipt")
        return
    assert done.core is not None and done.performed is not None, "a proof that holds was run"
    moment = moment_text(done.core.time)
    click.echo(
        visible(f"what happened at {moment} UTC: {done.core.kind} {to_json(given_json(done))}")
    )
    result = result_json(done.performed)
    for write in result["writes"]:
        value = "removed" if write["removed"] else f"= {to_json(write['value'])}"
        click.echo(visible(f"  {write['path']} {value}"))
    for effect in result["effects"]:
        click.echo(visible(f"  {effect['kind']} of {effect['rid']}: {to_json(effect['effect'])}"))
    click.echo("proved: this code, on this state and input, comes to this receipt")

"""`picomesh compile`: one ruleset to one module."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from picomesh.cli.problems import fail
from picomesh.cli.rulesets import compile_path

if TYPE_CHECKING:
    from krl.compiler import Compilation


@click.command("compile")
@click.argument("source", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to write; - prints.")
@click.option(
    "--emit",
    type=click.Choice(["wasm", "wat", "ir", "manifest"]),
    default="wasm",
    show_default=True,
    help="The module, its text, the compiler's intermediate form, or what it says of itself.",
)
def compile_(source: Path, output: Path | None, emit: str) -> None:
    """Compile a ruleset to a WebAssembly module.

    The module holds the guest library, its manifest, and a map from its bytes to the source.
    The same source gives the same bytes on every machine.

    \b
    picomesh compile hello.krl                    writes hello.wasm
    picomesh compile hello.krl --emit manifest    prints what hello shares and selects
    """
    compilation = compile_path(source)
    data = _emit(compilation, emit)
    if output is None and emit == "wasm":
        output = source.with_suffix(".wasm")
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(data)
        return
    if output.absolute() == source.absolute():
        raise fail(f"the output {output} is the source", "choose another name with -o")
    try:
        output.write_bytes(data)
    except OSError as problem:
        raise fail(f"cannot write {output}: {problem.strerror}") from problem
    click.echo(f"{output}: {len(data):,} bytes")


def _emit(compilation: Compilation, emit: str) -> bytes:
    module, program = compilation.module, compilation.program
    assert module is not None and program is not None, "compile_path raises when there is none"
    match emit:
        case "wat":
            from picomesh.cli.wat import module_text

            return module_text(module).encode()
        case "ir":
            from krl.lower.show import show

            return show(program).encode()
        case "manifest":
            from picomesh.ledger.codec import decode_block
            from picomesh.manifest import read_manifest

            manifest = decode_block(read_manifest(module).data)
            return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()
        case _:
            return module

"""Builds guest.wasm from the C sources here and two files of QuickJS, byte for byte the same.

    python -m krl.guest.build         build if stale; refuse a result that is not the pinned one
    python -m krl.guest.build --pin   build, and pin what comes out: after a change of the sources

Users never come here: wheels and sdists carry guest.wasm. hatch_build.py runs this in a bare
checkout, with `BUILD_REQUIREMENTS` installed. guest.pin names the hash of the sources and the hash
of what they build; with both, freshness is a comparison and a different compiler is an error.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from krl.guest.graph import GRAPH_SECTION, encode_graph
from krl.guest.quickjs import QUICKJS_SHA256, QuickjsError, unpack_quickjs
from krl.guest.relocations import RelocationError, settle
from pico_abi import wasm

ZIG_REQUIREMENT = "ziglang==0.17.1"
# pip is what fetches QuickJS's sources: krl/guest/quickjs.py.
BUILD_REQUIREMENTS = (ZIG_REQUIREMENT, "pip")

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest.wasm"
PIN = HERE / "guest.pin"

# More than STACK_WORDS_MAX of profile pico-1 takes here, so that recursion meets the metered limit
# and never this one: generated frames declare WORDS_PER_SLOT words for each slot of 8 bytes
# (krl/emit), and frames of C that can recurse take no more for a word. Not larger than needed: the
# host keeps the first pages of a memory resident (docs/performance.md), so all that an event
# touches should lie there.
STACK_BYTES = 136 * 1024
MEMORY_BYTES_MAX = 256 * 64 * 1024  # MEMORY_PAGES_MAX of profile pico-1

# Only what profile pico-1 allows: no reference types, no SIMD, no tail calls, no exceptions.
_CPU = "-mcpu=mvp+bulk_memory+mutable_globals+nontrapping_fptoint+sign_ext"
_COMPILE = (
    *("-target", "wasm32-freestanding", _CPU, "-std=c11", "-g0", "-ffreestanding"),
    *("-fno-sanitize=undefined", "-fno-strict-aliasing", "-DEMSCRIPTEN"),  # cutils.h: no threads
)
# Our own files are optimized as one when they are linked: a function called in one place becomes
# part of its caller, whose frame the meter counts anyway. QuickJS's are not, for the compiler of
# patterns measures its stack (regexp.c).
_OWN = ("-flto", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
_LIBC = (*_OWN, "-fno-builtin")  # or strlen would be compiled into a call of strlen
# KRL has no flag u, so \p{..} never reaches the tables behind these: 30 KB (regexp.c has them).
_PROPERTIES = ("general_category", "prop", "script", "sequence_prop")
_FOREIGN = ("-w",)
_PATTERNS = (
    *(*_FOREIGN, "-Dlre_canonicalize=fold_case"),
    *(f"-Dunicode_{name}=no_unicode_{name}" for name in _PROPERTIES),
)
_SPECIAL = {"libc_min.c": _LIBC, "libregexp.c": _PATTERNS}
# Small code is soon compiled, which a short event feels more than speed; -O2 everywhere is a fifth
# larger. Where map, filter, reduce and text in loops spend their time it is worth it. (`-Oz` is for
# the compiler itself: zig takes it for `-Os`.)
_SMALL = ("-Os", "-Xclang", "-Oz")
_HOT = ("arrays.c", "compare.c", "join.c")
_DIGESTS = (
    *("md5", "sha1", "sha256", "sha512", "sha3", "shake"),
    *("blake2b", "blake2s", "ripemd160", "sm3"),
)
_LINK = (
    *("--no-entry", "--stack-first", "-z", f"stack-size={STACK_BYTES}"),
    *(f"--max-memory={MEMORY_BYTES_MAX}", "--export-table", "-O2"),
    # What is smaller than the call of it and what the meter adds to a function is copied.
    *("-mllvm", "-inline-threshold=20"),
    *("--export=__heap_base", "--export=__stack_pointer"),
    # Data that the linker of a ruleset fills in: krl/link.
    *("--export=rt_arena_next", "--export=rt_manifest", "--export=rt_pattern_compiler"),
    *("--export=rt_pattern_matcher", "--export=rt_pattern_shown", "--export=rt_case_folding"),
    "--export=rt_select_aggregates",
    *(f"--export=rt_digest_{name}" for name in _DIGESTS),
    "--emit-relocs",  # what needs what: relocations.py
)
# The modules here that decide the bytes of guest.wasm as the compiler's flags do.
_DECIDING = ("graph.py", "quickjs.py", "relocations.py")


class GuestBuildError(Exception):
    """The library could not be built, or is not the pinned one; the text says what to do."""


def ensure_guest() -> Path:
    """Builds guest.wasm unless it is fresh. Raises GuestBuildError."""
    if not is_fresh():
        built = build_guest()
        _check(built)
        GUEST.write_bytes(built)
    return GUEST


def is_fresh() -> bool:
    """Whether guest.wasm is what the sources here build."""
    pin = read_pin()
    if pin is None or not GUEST.is_file():
        return False
    return pin == (sources_hash(), hashlib.sha256(GUEST.read_bytes()).hexdigest())


def read_pin() -> tuple[str, str] | None:
    """The pinned hashes: of the sources, and of guest.wasm."""
    if not PIN.is_file():
        return None
    fields = dict(line.split() for line in PIN.read_text().splitlines() if line)
    return fields["sources"], fields["guest"]


def write_pin(guest: bytes) -> None:
    PIN.write_text(f"sources {sources_hash()}\nguest {hashlib.sha256(guest).hexdigest()}\n")


def sources_hash() -> str:
    """One hash over everything that decides the bytes of guest.wasm."""
    digest = hashlib.sha256()
    flags = (_COMPILE, _HOT, _SMALL, _OWN, _LIBC, _FOREIGN, _PATTERNS, _LINK)
    settings = (ZIG_REQUIREMENT, QUICKJS_SHA256, flags)
    digest.update(repr(settings).encode())
    deciding = [path for name in _DECIDING if (path := HERE / name).is_file()]
    for path in sorted([*HERE.rglob("*.[ch]"), *deciding]):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(HERE).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def own_sources() -> list[Path]:
    """The C files of this folder, in the order in which they are linked."""
    return sorted([*HERE.glob("*.c"), *HERE.glob("library/*.c")])


def build_guest() -> bytes:
    """Compiles and links; the bytes of guest.wasm. Raises GuestBuildError."""
    with tempfile.TemporaryDirectory(prefix="picomesh-guest-") as scratch_name:
        scratch = Path(scratch_name)
        foreign = unpack_quickjs(scratch / "quickjs")
        sources = own_sources() + foreign
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda source: _compile(source, scratch), sources))
        return _settled(_link(objects, scratch))


def _compile(source: Path, scratch: Path) -> Path:
    is_own = HERE in source.parents
    flags = _SPECIAL.get(source.name, _OWN if is_own else _FOREIGN)
    folder = source.parent.relative_to(HERE).as_posix() if is_own else "quickjs"
    target = scratch / f"{folder.replace('.', 'core')}-{source.stem}.o"
    folders = (HERE / "include", HERE / "freestanding", scratch / "quickjs")
    includes = [f"-I{folder}" for folder in folders]
    effort = ("-O2",) if source.name in _HOT else _SMALL
    _zig("cc", *_COMPILE, *effort, *flags, *includes, "-c", str(source), "-o", str(target))
    return target


def _link(objects: list[Path], scratch: Path) -> bytes:
    target = scratch / GUEST.name  # which the linker writes into the name section
    _zig("wasm-ld", *_LINK, *map(str, objects), "-o", str(target))
    return target.read_bytes()


def _settled(linked: bytes) -> bytes:
    """The library as it is kept: the graph instead of relocations (docs/formats/guest.md)."""
    module, graph = settle(linked)
    section = wasm.CustomSection(GRAPH_SECTION, encode_graph(graph))
    return wasm.encode_module(replace(module, customs=(*module.customs, section)))


def _zig(*arguments: str) -> None:
    command = [sys.executable, "-m", "ziglang", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise GuestBuildError(f"zig {arguments[0]} failed:\n{done.stderr.strip()}")


def _check(built: bytes) -> None:
    pin = read_pin()
    got = hashlib.sha256(built).hexdigest()
    if pin is not None and pin[1] == got:
        return
    wanted = pin[1] if pin is not None else "nothing"
    raise GuestBuildError(
        f"the guest library came out as {got}, pinned is {wanted}.\n"
        "If you changed its sources, pin the new library: python -m krl.guest.build --pin\n"
        f"If you did not, the compiler is not the pinned one: pip install {ZIG_REQUIREMENT}"
    )


def main() -> int:
    """The command line; the exit code is 1 if the library could not be built."""
    parser = argparse.ArgumentParser(description="Builds the guest library.")
    parser.add_argument("--pin", action="store_true", help="pin what comes out")
    arguments = parser.parse_args()
    try:
        if arguments.pin:
            GUEST.write_bytes(build_guest())
            write_pin(GUEST.read_bytes())
        else:
            ensure_guest()
    except (GuestBuildError, QuickjsError, RelocationError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"{GUEST.name}: {GUEST.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())

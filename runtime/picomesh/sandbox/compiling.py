"""Compiles a module in a process of its own, with a limit on time and memory.

A compiler is a large program that reads what a stranger wrote. The limits of the profile bound what
it may be given (docs/formats/pico-1.md §5); an operator who wants to be sure lets it run apart: it
can then crash, hang or eat memory without taking the engine with it, and each is an engine fault
of its own kind. It takes a few tenths of a second more for each module that is not in the cache.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

import wasmtime

from picomesh.sandbox.backends import BackendOptions, create_engine
from picomesh.sandbox.interface import CompilerCrashed, CompilerRefused, CompilerTooSlow

COMMAND = (sys.executable, "-m", "picomesh.sandbox.compiling")
MEMORY_BYTES_MAX = 4 * 1024 * 1024 * 1024  # of address space, the interpreter's included
START_MS = 10_000  # for the interpreter to begin, on a machine that has much to do
_REFUSED = 3


def compile_apart(
    metered: bytes, options: BackendOptions, limit_ms: int, command: Sequence[str] = COMMAND
) -> bytes:
    """The compiled module, as `wasmtime.Module.deserialize` reads it. Raises EngineFault."""
    kill = "1" if options.kill_after_ms is not None else "0"
    arguments = [*command, options.backend, kill, str(limit_ms)]
    try:
        done = subprocess.run(
            arguments,
            input=metered,
            capture_output=True,
            timeout=(START_MS + limit_ms) / 1000,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise CompilerTooSlow(f"a module took more than {limit_ms} ms to compile") from problem
    except OSError as problem:
        raise CompilerCrashed(f"the compiler could not be started: {problem}") from problem
    if done.returncode == 0:
        return done.stdout
    if done.returncode == -_CPU_SIGNAL:
        raise CompilerTooSlow(f"a module took more than {limit_ms} ms to compile")
    if done.returncode == _REFUSED:
        text = done.stderr.decode("utf-8", "replace").strip()
        raise CompilerRefused(f"the compiler refused a module: {text}")
    raise CompilerCrashed(f"the compiler ended with {done.returncode}")


def _signal_of_cpu_limit() -> int:
    import signal

    return int(getattr(signal, "SIGXCPU", 0))


_CPU_SIGNAL = _signal_of_cpu_limit()


def _limit(limit_ms: int) -> None:
    """What the system can hold this process to, where it can."""
    try:
        import resource
    except ImportError:  # Windows: the parent's patience is the only limit
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime + limit_ms / 1000) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))


def main(arguments: Sequence[str]) -> int:
    """Reads a module from standard input and writes it compiled to standard output."""
    backend, kill, limit_ms = arguments
    options = BackendOptions(backend, kill_after_ms=1 if kill == "1" else None)
    metered = sys.stdin.buffer.read()
    engine = create_engine(options)
    _limit(int(limit_ms))
    try:
        code = wasmtime.Module(engine, metered).serialize()
    except wasmtime.WasmtimeError as problem:
        sys.stderr.write(str(problem))
        return _REFUSED
    sys.stdout.buffer.write(code)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Replays a recorded history with nothing but wasmtime, of any release, and prints one digest.

A script of its own: it runs in environments that hold a release of wasmtime and nothing else, so
it imports no picomesh and keeps to the few classes that have not changed since 2022.

    python replay_alone.py FOLDER

The folder holds `history.json` (bench/engine_matrix.py writes it) and the metered modules by their
hash. The digest is over what each guest answers, asks of its host, spends, and leaves in memory.
"""

import hashlib
import json
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

wasmtime: Any = import_module("wasmtime")  # of any release: its types are none of ours

FUEL, STACK = "pico-1:fuel", "pico-1:stack"
FUEL_LIMIT, STACK_WORDS = 10_000_000_000, 49_152


class Life:
    """One instance, and the calls that its host is going to answer."""

    def __init__(self, engine: Any, module: Any, digest: Any) -> None:
        self.store = wasmtime.Store(engine)
        self.digest = digest
        self.calls: list[dict[str, Any]] = []
        linker = wasmtime.Linker(engine)
        for item in module.imports:
            function = self.host_function(item.name)
            linker.define_func(item.module, item.name, item.type, function, access_caller=True)
        self.exports: Any = linker.instantiate(self.store, module).exports(self.store)
        self.memory: Any = self.exports["memory"]

    def message(self, item: dict[str, Any]) -> None:
        """Gives the guest a message and takes its answer."""
        self.calls = list(item["calls"])
        data = bytes.fromhex(item["message"])
        self.exports[FUEL].set_value(self.store, FUEL_LIMIT)
        self.exports[STACK].set_value(self.store, STACK_WORDS)
        address = self.give(self.store, data)
        area = self.exports[item["export"]](self.store, address, len(data)) & 0xFFFFFFFF
        start, count = self.words(self.store, area)
        self.note(b"answer", self.read(self.store, start, count))
        self.note(b"fuel", str(FUEL_LIMIT - self.exports[FUEL].value(self.store)).encode())

    def note(self, *parts: bytes) -> None:
        for part in parts:
            self.digest.update(len(part).to_bytes(4, "little") + part)

    def read(self, store: Any, start: int, count: int) -> bytes:
        return bytes(self.memory.read(store, start, start + count))

    def words(self, store: Any, at: int) -> tuple[int, int]:
        area = self.read(store, at, 8)
        return int.from_bytes(area[:4], "little"), int.from_bytes(area[4:], "little")

    def allocate(self, store: Any, count: int, alignment: int) -> int:
        return int(self.exports["cabi_realloc"](store, 0, 0, alignment, count)) & 0xFFFFFFFF

    def give(self, store: Any, data: bytes) -> int:
        address = self.allocate(store, len(data), 1)
        self.memory.write(store, data, address)
        return address

    def give_list(self, store: Any, data: bytes, area: int) -> None:
        numbers = self.give(store, data), len(data)
        self.memory.write(store, b"".join(n.to_bytes(4, "little") for n in numbers), area)

    def host_function(self, name: str) -> Any:
        def function(store: Any, *numbers: int) -> None:
            arguments = [number & 0xFFFFFFFF for number in numbers]
            call = self.calls.pop(0)
            assert call["function"] == name, "the guest calls what it did not call then"
            lists = 2 if name in ("put", "scan") else 1
            for at in range(0, 2 * lists, 2):
                self.note(name.encode(), self.read(store, arguments[at], arguments[at + 1]))
            self.answer(store, name, call["answer"], arguments[-1])

        return function

    def answer(self, store: Any, name: str, answer: Any, area: int) -> None:
        if name == "get":
            self.memory.write(store, b"\x00" if answer is None else b"\x01", area)
            if answer is not None:
                self.give_list(store, bytes.fromhex(answer), area + 4)
        elif name == "scan":
            rows = self.allocate(store, 16 * len(answer), 4)
            for index, (path, value) in enumerate(answer):
                self.give_list(store, bytes.fromhex(path), rows + 16 * index)
                self.give_list(store, bytes.fromhex(value), rows + 16 * index + 8)
            numbers = rows, len(answer)
            self.memory.write(store, b"".join(n.to_bytes(4, "little") for n in numbers), area)
        elif name in ("ask", "call"):
            self.give_list(store, bytes.fromhex(answer), area)


def main() -> None:
    folder = Path(sys.argv[1])
    history = json.loads((folder / "history.json").read_text("utf-8"))
    started = time.perf_counter()
    engine = wasmtime.Engine(wasmtime.Config())
    modules = {
        name: wasmtime.Module(engine, (folder / f"{name}.wasm").read_bytes())
        for name in history["modules"]
    }
    compiled = time.perf_counter()
    digest = hashlib.sha256()
    for guest in history["guests"]:
        life = Life(engine, modules[guest["module"]], digest)
        for item in guest["messages"]:
            life.message(item)
        memory = life.read(life.store, 0, life.memory.data_len(life.store))
        life.note(b"memory", hashlib.sha256(memory).digest())
    result = {
        "wasmtime": version("wasmtime"),
        "digest": digest.hexdigest(),
        "compile_s": round(compiled - started, 2),
        "replay_s": round(time.perf_counter() - compiled, 2),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

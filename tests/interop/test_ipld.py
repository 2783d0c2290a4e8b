"""Our blocks, names and files are IPLD's: its own JavaScript libraries read and write them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from interop.npm import installed
from lives import lived
from picomesh.engine.export import export_histories
from picomesh.engine.prove import prove
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.partial import prove_range
from verifier.node import needs_node, run_node

pytestmark = needs_node
PACKAGES = (
    "@ipld/car@5.4.7",
    "@ipld/dag-cbor@10.0.2",
    "@noble/hashes@2.4.0",
    "multiformats@14.0.5",
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A proof, a history with all its states, and a part of a state."""
    folder = tmp_path_factory.mktemp("ipld")
    with lived() as engine:
        pico, store = engine.find("me"), engine.store
        root = engine.receipt("me", 6).core.post
        contents = {
            "proof": prove(store, engine.programs, pico, 10, engine.signer),
            "history": b"".join(export_histories(store, engine.public_key, store.picos())),
            "state": encode_car(root, prove_range(store, root, b"", None)),
        }
    for name, data in contents.items():
        (folder / f"{name}.car").write_bytes(data)
    return [folder / f"{name}.car" for name in contents]


def test_ipld_s_own_libraries_read_our_files_and_write_them_to_the_same_bytes(
    files: list[Path],
) -> None:
    folder = installed(*PACKAGES)
    shutil.copy(Path(__file__).with_name("ipld.mjs"), folder)
    lines = run_node(str(folder / "ipld.mjs"), *map(str, files)).splitlines()
    for path, line in zip(files, lines, strict=True):
        found, car = json.loads(line), CarFile(path.read_bytes())
        assert found["roots"] == [str(car.root)]
        assert found["blocks"] == len(car) and 0 < found["cbor"] < found["blocks"] + 1
        assert found["links"] > 0
        again = path.with_suffix(".car.again").read_bytes()
        assert again == path.read_bytes()
        CarFile(again)


def test_every_link_of_a_history_leads_to_a_block_of_it(files: list[Path]) -> None:
    """But for the empty state, which everybody knows and nobody stores."""
    folder = installed(*PACKAGES)
    shutil.copy(Path(__file__).with_name("ipld.mjs"), folder)
    (line,) = run_node(str(folder / "ipld.mjs"), str(files[1])).splitlines()
    found = json.loads(line)
    assert found["links"] - found["found"] == 1, "the first receipt begins with nothing"

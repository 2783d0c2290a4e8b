"""The vectors of the formats (tests/vectors): both implementations accept and refuse the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.export import ExportedHistories
from picomesh.engine.inputs import decode_input, encode_input
from picomesh.engine.makers import maker_of
from picomesh.ledger.car import CarFile
from picomesh.ledger.checkpoint import covers, decode_checkpoint
from picomesh.ledger.cid import cid_of_block, cid_of_bytes, parse_cid
from picomesh.ledger.codec import decode_block, encode_block
from picomesh.ledger.errors import CodecError, LedgerError, MissingBlock
from picomesh.ledger.evidence import read_evidence
from picomesh.ledger.merkle import is_continued
from picomesh.ledger.partial import PartialTree
from picomesh.ledger.receipt import decode_core, decode_envelope, is_envelope_signed
from picomesh.ledger.tree import Tree, decode_node
from picomesh.ledger.value import decode_value, encode_value
from picomesh.sandbox.backends import BackendOptions
from picomesh.sandbox.direct import open_sandbox
from verifier.node import needs_node, run_node

FOLDER = Path(__file__).resolve().parents[1] / "vectors"
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json"))
Row = dict[str, Any]


class NoBlocks:
    def block(self, cid: object) -> bytes:
        raise MissingBlock(str(cid))


def read_value(data: bytes, row: Row, file: str) -> None:
    assert encode_value(decode_value(data)) == data
    assert "value" not in row or encode_value(row["value"]) == data


def read_block(data: bytes, row: Row, file: str) -> None:
    assert encode_block(decode_block(data)) == data
    assert row.get("cid") in (None, str(cid_of_block(data)))


def read_cid(data: bytes, row: Row, file: str) -> None:
    cid = parse_cid(row["text"])
    assert cid.raw == data
    assert cid in (cid_of_block(bytes.fromhex(row["of"])), cid_of_bytes(bytes.fromhex(row["of"])))


def read_car(data: bytes, row: Row, file: str) -> None:
    car = CarFile(data)
    assert str(car.root) == row["root"]
    assert {str(cid): car.block(cid).hex() for cid in car} == row["blocks"]


def read_tree(data: bytes, row: Row, file: str) -> None:
    if "entries" in row:
        tree = Tree(NoBlocks())
        for path, value in row["entries"].items():
            tree.put(bytes.fromhex(path), parse_cid(value))
        root, nodes = tree.flush()
        assert str(root) == row["root"]
        assert {str(cid): block.hex() for cid, block in nodes.items()} == row["nodes"]
    elif "path" in row:
        car = CarFile(data)
        partial = PartialTree(car.root, {cid: car.block(cid) for cid in car})
        value = partial.value(bytes.fromhex(row["path"]))
        assert (None if value is None else value.hex()) == row["value"]
    else:
        decode_node(data)


def read_receipt(data: bytes, row: Row, file: str) -> None:
    if "core" in file:
        decode_core(data)
        assert row.get("cid") in (None, str(cid_of_block(data)))
    elif not is_envelope_signed(decode_envelope(data)):
        raise CodecError("signature")


def read_checkpoint(data: bytes, row: Row, file: str) -> None:
    if "before" in row:
        roots = [bytes.fromhex(row[name]) for name in ("before_root", "root")]
        way = [bytes.fromhex(step) for step in row["way"]]
        if not is_continued(row["before"], roots[0], row["size"], roots[1], way):
            raise CodecError("continuation")
        return
    checkpoint = decode_checkpoint(data)
    for item in row.get("ways", [row]):
        way = [bytes.fromhex(step) for step in item["way"]]
        if not covers(checkpoint, parse_cid(item["receipt"]), item["seq"], way):
            raise CodecError("way")


def read_input(data: bytes, row: Row, file: str) -> None:
    assert encode_input(decode_input(data)) == data


def read_proof(data: bytes, row: Row, file: str) -> None:
    done = audit(data, lambda _: open_sandbox(BackendOptions("winch")), CheckedModules())
    if done.refused is not None:
        assert file.endswith(f"refused-{done.refused.name}.json"), done.refused
        raise CodecError(done.refused.text)
    assert done.core is not None and done.core.seq == row["seq"]


def read_export(data: bytes, row: Row, file: str) -> None:
    histories = ExportedHistories(data)
    found = [histories.receipts(pico) for pico, _ in histories.picos()]
    assert sum(map(len, found)) == row["receipts"]


def read_the_evidence(data: bytes, row: Row, file: str) -> None:
    assert read_evidence(data, maker_of).seq == row["seq"]


READERS: dict[str, Callable[[bytes, Row, str], None]] = {
    "value": read_value,
    "block": read_block,
    "cid": read_cid,
    "car": read_car,
    "tree": read_tree,
    "receipt": read_receipt,
    "checkpoint": read_checkpoint,
    "input": read_input,
    "proof": read_proof,
    "export": read_export,
    "evidence": read_the_evidence,
}


def test_vectors_are_sorted_by_class_of_mistake() -> None:
    names = [Path(file).stem for file in FILES if file != "tree/partial.json"]
    assert [name for name in names if not re.fullmatch(r"accepted(-\w+)?|refused-\w+", name)] == []


def test_every_format_has_vectors_that_are_accepted_and_such_that_are_refused() -> None:
    for name in READERS:
        kinds = {
            Path(file).name.split("-")[0].split(".")[0] for file in FILES if file.startswith(name)
        }
        assert {"accepted", "refused"} <= kinds, name


@pytest.mark.parametrize("file", FILES)
def test_the_first_implementation_agrees(file: str) -> None:
    rows: list[Row] = json.loads((FOLDER / file).read_text("utf-8"))
    assert rows and len({row["name"] for row in rows}) == len(rows)
    for row in rows:
        data = bytes.fromhex(row.get("repeated", "") * row.get("times", 1) + row.get("bytes", ""))
        read = READERS[file.split("/")[0]]
        if Path(file).name.startswith("refused"):
            with pytest.raises(LedgerError):
                read(data, row, file)
        else:
            read(data, row, file)


@needs_node
def test_the_second_implementation_agrees() -> None:
    script = str(Path(__file__).with_name("vectors.mjs"))
    *wrong, last = run_node(script).splitlines()
    count = sum(len(json.loads((FOLDER / file).read_text("utf-8"))) for file in FILES)
    assert (wrong, last) == ([], f"{count} vectors")

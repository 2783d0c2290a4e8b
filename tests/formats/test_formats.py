"""The format pages say what the code does: their CDDL and tables against the code and the vectors.

CDDL says which blocks there can be; every block that is accepted must fit it, and the names of the
fields are those that the decoders know. So a page and its decoder cannot part unnoticed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from formats.cddl import (
    Bounded,
    Choice,
    Grammar,
    Literal,
    Map,
    Name,
    Range,
    fields_of,
    fits,
    read_cddl,
)
from picomesh.channels import CHANNELS
from picomesh.engine import inputs, records
from picomesh.engine.export import ExportedHistories
from picomesh.engine.family import CHILDREN, PARENT
from picomesh.engine.records import RULESETS
from picomesh.ledger import checkpoint, evidence, export, proof, receipt
from picomesh.ledger.car import CarFile
from picomesh.ledger.cid import DAG_CBOR, Cid
from picomesh.ledger.codec import decode_block
from picomesh.ledger.receipt import decode_core, decode_envelope
from picomesh.ledger.tree import Tree
from picomesh.ledger.value import decode_value

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "formats"
VECTORS = ROOT / "tests" / "vectors"
HISTORIES = sorted((ROOT / "tests" / "histories").glob("*.car"))
LEDGER = ("block", "state", "receipt", "checkpoint", "proof", "export", "evidence", "car")


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text("utf-8")


def grammar() -> Grammar:
    """The rules of all pages; those that stand on several are the same."""
    rules: Grammar = {}
    for path in sorted(PAGES.glob("*.md")):
        for block in re.findall(r"```cddl\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
            for name, rule in read_cddl(block).items():
                assert rules.setdefault(name, rule) == rule, f"{path.name}: two rules for {name}"
    return rules


RULES = grammar()


def fits_rule(name: str, item: Any) -> bool:
    return fits(RULES, RULES[name], item)


@pytest.fixture
def deep() -> Iterator[None]:
    """Room for a value of 128 levels, each of which takes several calls here."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    yield
    sys.setrecursionlimit(before)


# -- the pages have their parts


@pytest.mark.parametrize("name", LEDGER)
def test_a_page_has_purpose_example_form_and_what_is_refused(name: str) -> None:
    text = page(name)
    opening = text.split("## ")[0].strip().splitlines()
    assert len(opening) >= 3, "what it is for"
    assert "Example" in text or "```vectors" in text
    assert "```cddl" in text, "its canonical form"
    assert re.search(r"## \d\. .*[Ww]hat a (decoder|reader) refuses|decoder refuses\.\*\*", text)
    assert f"tests/vectors/{'tree' if name == 'state' else name}" in text


def test_every_name_in_the_rules_is_another_rule_or_a_type_of_cddl() -> None:
    known = {"null", "bool", "int", "uint", "float64", "tstr", "bytes", "bstr"}

    def names(item: object) -> Iterator[str]:
        if isinstance(item, Name):
            yield item.name
        elif isinstance(item, tuple):
            for part in item:
                yield from names(part)
        elif hasattr(item, "__dataclass_fields__"):
            for field in item.__dataclass_fields__:
                yield from names(getattr(item, field))

    assert {name for rule in RULES.values() for name in names(rule)} - RULES.keys() - known == set()


def test_the_index_names_every_page_and_every_folder_of_vectors() -> None:
    index = page("README")
    pages = {path.name for path in PAGES.glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\((\w[\w-]*\.md)\)", index)) == pages
    rows = [row.split("|") for row in index.splitlines() if row.startswith("| [")]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row[3])}
    assert named == {path.name for path in VECTORS.iterdir() if any(path.glob("*.json"))}


# -- the names of fields


FIELDS: dict[str, frozenset[str]] = {
    "core": receipt._CORE_FIELDS,
    "envelope": receipt._ENVELOPE_FIELDS,
    "checkpoint": checkpoint._FIELDS,
    "proof": proof._FIELDS,
    "evidence": evidence._FIELDS,
    "export": export._FIELDS,
    "exported": export._PICO_FIELDS,
    "ruleset": records._RULESET_FIELDS,
    **inputs._FIELDS,
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_rule_has_just_the_fields_that_the_decoder_takes(name: str) -> None:
    assert fields_of(RULES[name]) == FIELDS[name]


TABLES = {
    "core": ("receipt", "## 2. Core"),
    "envelope": ("receipt", "## 3. Envelope"),
    "checkpoint": ("checkpoint", "## 2. Fields"),
    "proof": ("proof", "## 2. The root"),
    "export": ("export", "## 2. Form"),
    "ruleset": ("state", "The value of `pico/rulesets/<rid>`"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_explains_just_the_fields_of_the_rule(name: str) -> None:
    where, heading = TABLES[name]
    table = re.search(r"((?:^\|.*\n)+)", page(where).split(heading)[1], re.MULTILINE)
    assert table is not None
    cells = [row.split("|")[1] for row in table[1].splitlines()[2:]]
    assert {word for cell in cells for word in re.findall(r"`(\w+)`", cell)} == FIELDS[name]


def values(rule: object) -> set[object]:
    assert isinstance(rule, Choice)
    return {item.value for item in rule.types if isinstance(item, Literal)}


def field(name: str, key: str) -> Any:
    rule = RULES[name]
    assert isinstance(rule, Map)
    return next(item.type for item in rule.entries if item.key == Literal(key))


def test_the_constants_of_the_rules_are_those_of_the_code() -> None:
    assert values(field("core", "kind")) == set(receipt.KINDS)
    assert values(field("core", "outcome")) == set(receipt.OUTCOMES)
    assert field("core", "profile") == Literal(receipt.PROFILE)
    batch = field("envelope", "batch").types[1].entries
    assert batch[1].type == Range(2, receipt.BATCH_SIZE_MAX)
    paths = field("core", "writes").entries[0].type.entries[0].type
    assert isinstance(paths, Bounded) and paths.bound == Range(1, 4096)
    assert {name for name in RULES if name in inputs._FIELDS} == inputs._FIELDS.keys()
    given = RULES["input"]
    assert isinstance(given, Choice)
    assert {item.name for item in given.types if isinstance(item, Name)} == inputs._FIELDS.keys()


# -- what is accepted fits


def accepted(folder: str, file: str = "accepted*.json") -> Iterator[tuple[str, bytes]]:
    for path in sorted((VECTORS / folder).glob(file)):
        for row in json.loads(path.read_text("utf-8")):
            if "bytes" in row:
                yield row["name"], bytes.fromhex(row["bytes"])


SOURCES: dict[str, tuple[str, str, Callable[[bytes], Any]]] = {
    "block": ("block", "accepted.json", decode_block),
    "value": ("value", "accepted.json", decode_value),
    "core": ("receipt", "accepted-core.json", decode_block),
    "envelope": ("receipt", "accepted-envelope.json", decode_block),
    "checkpoint": ("checkpoint", "accepted.json", decode_block),
    "proof": ("proof", "accepted.json", lambda data: root_of(CarFile(data))),
    "export": ("export", "accepted.json", lambda data: root_of(CarFile(data))),
    "evidence": ("evidence", "accepted.json", lambda data: root_of(CarFile(data))),
}


def root_of(car: CarFile) -> Any:
    return decode_block(car.block(car.root))


@pytest.mark.parametrize("rule", SOURCES)
def test_every_accepted_vector_fits_its_rule(rule: str, deep: None) -> None:
    folder, file, read = SOURCES[rule]
    rows = list(accepted(folder, file))
    assert rows
    assert [name for name, data in rows if not fits_rule(rule, read(data))] == []


def test_every_node_of_the_vectors_fits() -> None:
    rows = json.loads((VECTORS / "tree" / "accepted.json").read_text("utf-8"))
    nodes = [bytes.fromhex(data) for row in rows for data in row["nodes"].values()]
    assert nodes and all(fits_rule("node", decode_block(data)) for data in nodes)


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_every_block_of_the_recorded_histories_fits_its_rule(path: Path) -> None:
    """Each is found by the link that leads to it."""
    histories = ExportedHistories(path.read_bytes())
    assert fits_rule("export", root_of(CarFile(path.read_bytes())))
    for pico, _ in histories.picos():
        for row in histories.receipts(pico):
            assert fits_rule("core", decode_block(row.core))
            assert fits_rule("envelope", decode_block(row.envelope))
            core, envelope = decode_core(row.core), decode_envelope(row.envelope)
            for rule, link in (("input", core.event), ("tape", core.tape), ("logs", envelope.logs)):
                if link is not None:
                    assert fits_rule(rule, decode_block(histories.block(link))), (rule, core.seq)


def state_entries(path: Path) -> Iterator[tuple[bytes, Cid, Any]]:
    """Every entry of the states that the file brings, and the nodes they hang from."""
    data = json.loads((VECTORS / "export" / "accepted.json").read_text("utf-8"))
    for row in data:
        car = CarFile(bytes.fromhex(row["bytes"]))
        histories = ExportedHistories(bytes.fromhex(row["bytes"]))
        for pico, _ in histories.picos():
            for item in histories.receipts(pico):
                post = decode_core(item.core).post
                if post in car:
                    for entry, value in Tree(car, post).items():
                        yield entry, value, car


def test_every_record_and_effect_of_an_exported_history_fits_its_rule() -> None:
    seen: set[str] = set()
    for path, link, blocks in state_entries(VECTORS):
        rule, read = record_rule(path)
        if rule:
            seen.add(rule)
            assert fits_rule(rule, read(blocks.block(link))), path
    assert seen >= {"ruleset", "channel"}


def record_rule(path: bytes) -> tuple[str, Callable[[bytes], Any]]:
    if path.startswith(RULESETS):
        return "ruleset", decode_block
    if path.startswith(CHANNELS):
        return "channel", decode_value
    if path == PARENT or path.startswith(CHILDREN):
        return "family", decode_value
    return "", decode_value


# -- the rules themselves can refuse


@pytest.mark.parametrize("rule", ["core", "envelope", "checkpoint", "proof", "export", "evidence"])
def test_a_field_less_one_more_or_of_another_type_does_not_fit(rule: str) -> None:
    folder, file, read = SOURCES[rule]
    block = read(next(data for _, data in accepted(folder, file)))
    assert fits_rule(rule, block)
    for key in block:
        assert not fits_rule(rule, {name: block[name] for name in block if name != key})
        assert not fits_rule(rule, {**block, key: {"neither": 1.5}})
    assert not fits_rule(rule, {**block, "more": 1})
    assert not fits_rule(rule, [])


def test_a_link_is_told_from_bytes() -> None:
    link = Cid(bytes([1, DAG_CBOR]) + b"\x1e\x20" + bytes(32))
    assert fits_rule("link", link) and not fits_rule("link", link.raw)

"""The vectors of whole files: proofs, exported histories, evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from forging import FILES, LIES, STRANGER, forged, misfits, repackaged
from picomesh.engine import Engine
from picomesh.engine.export import export_histories
from picomesh.engine.makers import makers_of
from picomesh.engine.prove import prove
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import cid_of_block
from picomesh.ledger.codec import decode_block
from picomesh.ledger.evidence import encode_evidence
from picomesh.ledger.receipt import Receipt, encode_core, encode_envelope, seal
from vectors.rows import LINK, Rows, broken, row, write
from wat_guests import counter


def proofs(engine: Engine) -> None:
    pico = engine.find("me")
    files = {
        "create": 0,
        "an install": 1,
        "an event": 4,
        "a throw": 9,
        "a tape": 10,
        "out of fuel": 12,
        "an uninstall": 13,
        "an act": 15,
    }
    accepted = [
        row(name, prove(engine.store, engine.programs, pico, seq, engine.signer), seq=seq)
        for name, seq in files.items()
    ]
    write("proof", "accepted", accepted)
    good = bytes.fromhex(accepted[2]["bytes"])
    refused: dict[str, Rows] = {}
    for name, (check, fields) in LIES.items():
        if check:
            data = forged(good, engine.signer, **fields)
            refused.setdefault(check, []).append(row(name, data))
    for name, (check, change) in FILES.items():
        refused.setdefault(check, []).append(row(name, repackaged(good, engine, change)))
    for name, (check, data) in misfits(good, engine.signer).items():
        refused.setdefault(check, []).append(row(name, data))
    refused["engine"] = [row("another engine", forged(good, STRANGER))]
    wrong = good[:-1] + bytes([good[-1] ^ 1])
    refused["file"] = [row("another byte", wrong), row("cut off", good[:-1]), row("nothing", b"")]
    for check, found in refused.items():
        write("proof", f"refused-{check}", found)


def histories(engine: Engine) -> None:
    picos = [item for item in engine.store.picos() if item[1] == "me"]
    rows: Rows = []
    for name, last, has_states in [("states", None, True), ("none", None, False), ("one", 0, True)]:
        parts = export_histories(engine.store, engine.public_key, picos, 0, last, has_states)
        rows.append(row(f"a history: {name}", b"".join(parts), receipts=16 if last is None else 1))
    write("export", "accepted", rows)
    data = bytes.fromhex(rows[2]["bytes"])
    car = CarFile(data)
    root: Any = decode_block(car.block(car.root))
    (pico,) = root["picos"]
    changes: dict[str, dict[str, Any]] = {
        "another version": {"v": 2},
        "another kind": {"kind": "picomesh proof"},
        "a short key": {"engine": b"k"},
        "picos that are a map": {"picos": {}},
        "a pico twice": {"picos": [pico, pico]},
        "a pico with a field more": {"picos": [{**pico, "x": 1}]},
        "no receipts": {"picos": [{**pico, "count": 0}]},
        "a receipt more": {"picos": [{**pico, "count": pico["count"] + 1}]},
        "a page more": {"picos": [{**pico, "pages": pico["pages"] * 2}]},
        "no page": {"picos": [{**pico, "pages": []}]},
        "pages that are no links": {"picos": [{**pico, "pages": ["x"]}]},
        "nothing before the fifth": {"picos": [{**pico, "first": 5}]},
        "something before the first": {"picos": [{**pico, "before": [LINK, LINK]}]},
        "a name that is bytes": {"picos": [{**pico, "name": b"me"}]},
    }
    write("export", "refused-root", list(_other_roots(car, root, changes)))


def _other_roots(
    car: CarFile, root: dict[str, Any], changes: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The file with another root block."""
    rest = {cid: car.block(cid) for cid in car if cid != car.root}
    for item in broken(root, changes):
        block = bytes.fromhex(item["bytes"])
        cid = cid_of_block(block)
        yield {**item, "bytes": encode_car(cid, {**rest, cid: block}).hex()}


def evidence(engine: Engine) -> None:
    a = engine.receipt("me", 3)
    engine.create("you")
    engine.install_module("you", counter().build())
    for _ in range(2):
        engine.send("you", "a", "b")
    core = encode_core(replace(a.core, fuel=1))
    envelope = replace(a.envelope, core=cid_of_block(core), batch=None)
    b = seal(core, envelope, engine.signer)
    data = encode_evidence(a, b, makers_of(engine.store, engine.find("me")))
    write("evidence", "accepted", [row("two receipts", data, seq=3)])
    made = makers_of(engine.store, engine.find("me"))
    stranger = replace(a.envelope, core=cid_of_block(core), batch=None, engine=STRANGER.public_key)
    again = seal(a.core_bytes, replace(a.envelope, elapsed_us=9, batch=None), engine.signer)
    unsigned = replace(envelope, signature=a.envelope.signature)
    receipts = {
        "the same receipt twice": (a, a),
        "the same core under two envelopes": (a, again),
        "a receipt of another place": (a, engine.receipt("me", 4)),
        "a receipt of another pico": (a, engine.receipt("you", 3)),
    }
    signatures = {
        "a core that a stranger signed": (a, seal(core, stranger, STRANGER)),
        "a signature from elsewhere": (a, Receipt(core, encode_envelope(unsigned))),
        "the envelope of another core": (a, Receipt(core, engine.receipt("me", 4).envelope_bytes)),
    }
    for kind, pairs in (("receipts", receipts), ("signature", signatures)):
        refused = [row(name, encode_evidence(*pair, made)) for name, pair in pairs.items()]
        write("evidence", f"refused-{kind}", refused)
    more = {**made, LINK: b"\x80"}
    blocks = [
        row("without the maker", encode_evidence(a, b, {})),
        row("a block that nothing leads to", encode_evidence(a, b, more)),
    ]
    write("evidence", "refused-blocks", blocks)
    car = CarFile(data)
    root: Any = decode_block(car.block(car.root))
    changes: dict[str, dict[str, Any]] = {
        "rows in the other order": {"receipts": root["receipts"][::-1]},
        "a row more": {"receipts": [*root["receipts"], root["receipts"][0]]},
        "a row less": {"receipts": root["receipts"][:1]},
        "another kind": {"kind": "picomesh proof"},
        "another version": {"v": 2},
    }
    write("evidence", "refused-root", list(_other_roots(car, root, changes)))

"""Histories as files: what is exported replays anywhere, and a lie in it is found and named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from picomesh.engine import Engine, OperatorError, Options
from picomesh.engine.audit import audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.export import ExportedHistories, export_histories
from picomesh.engine.history import verify_home
from picomesh.engine.prove import prove
from picomesh.engine.rerun import Job, Rerun, as_files, rerun, run_jobs
from picomesh.engine.restore import restore
from picomesh.ledger.car import CarFile, encode_car
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import Block, decode_block, encode_block
from picomesh.ledger.errors import LedgerError
from picomesh.ledger.export import decode_export, decode_page, encode_export, encode_page
from picomesh.ledger.proof import Links
from picomesh.ledger.receipt import Core, encode_core, seal
from picomesh.ledger.signature import Signer
from wat_guests import counter, thrower

EVENTS = 8


@pytest.fixture(scope="module")
def engine() -> Engine:
    engine = Engine.ephemeral()
    for name in ("me", "you"):
        engine.create(name)
        engine.install_module(name, counter().build(), source="source")
    for _ in range(EVENTS):
        engine.send("me", "a", "b")
    bad = thrower("bad")
    bad.events = (("a", "throw"),)
    engine.install_module("me", bad.build())
    engine.send("me", "a", "throw")
    return engine


def exported(
    engine: Engine, first: int = 0, last: int | None = None, has_states: bool = True
) -> bytes:
    picos = engine.store.picos()
    if first:
        picos = [item for item in picos if item[1] == "me"]
    parts = export_histories(engine.store, engine.public_key, picos, first, last, has_states)
    return b"".join(parts)


def replayed(engine: Engine, histories: ExportedHistories, pico: str, first: int = 0) -> Rerun:
    start = histories.start(pico, first)
    return rerun(histories, histories.engine, engine.programs, pico, start)


@pytest.mark.parametrize("has_states", [True, False])
def test_an_exported_history_replays_without_its_home(engine: Engine, has_states: bool) -> None:
    histories = ExportedHistories(exported(engine, has_states=has_states))
    for pico, _ in engine.store.picos():
        done = replayed(engine, histories, pico)
        assert done.is_equal and done.receipts == len(engine.log(pico))
        assert [row.core for row in histories.receipts(pico)] == [
            row.core_bytes for row in engine.log(pico)
        ]


def test_a_history_without_states_is_smaller_and_comes_to_the_same_proofs(engine: Engine) -> None:
    whole, lean = exported(engine), exported(engine, has_states=False)
    assert len(lean) < 0.8 * len(whole)
    pico = engine.find("me")
    proofs = {
        prove(source, engine.programs, pico, 5)
        for source in (engine.store, ExportedHistories(whole), ExportedHistories(lean))
    }
    assert len(proofs) == 1
    assert audit(proofs.pop(), lambda _: engine.programs.sandbox, CheckedModules()).is_proved


def test_the_same_histories_are_the_same_file(engine: Engine) -> None:
    assert exported(engine) == exported(engine)
    again = ExportedHistories(exported(engine))
    parts = export_histories(again, again.engine, again.picos())
    assert b"".join(parts) == exported(engine)


@pytest.mark.parametrize("has_states", [True, False])
def test_a_range_goes_on_from_the_state_it_brings(engine: Engine, has_states: bool) -> None:
    histories = ExportedHistories(exported(engine, 4, 9, has_states))
    pico = engine.find("me")
    assert [row.seq for row in histories.receipts(pico)] == [4, 5, 6, 7, 8, 9]
    done = replayed(engine, histories, pico, 6)
    assert done.is_equal and done.receipts == (4 if has_states else 6)


def test_a_page_holds_a_thousand_receipts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ledger.export", "engine.export"):
        monkeypatch.setattr(f"picomesh.{module}.PAGE_RECEIPTS_MAX", 4)
    histories = ExportedHistories(exported(engine))
    assert [len(item.pages) for item in histories.export.picos] in ([3, 1], [1, 3])
    assert replayed(engine, histories, engine.find("me")).is_equal


def test_an_empty_range_is_a_mistake(engine: Engine) -> None:
    with pytest.raises(OperatorError, match="no receipts"):
        exported(engine, first=99)


def test_several_picos_replay_side_by_side(engine: Engine, tmp_path: Path) -> None:
    picos = engine.store.picos()
    told: list[int] = []
    with as_files(engine.store, engine.public_key, picos, 0, None) as files:
        jobs = [Job(files[pico], pico, 0, None, "cranelift", str(tmp_path)) for pico, _ in picos]
        done = list(run_jobs(jobs, 2, told.append))
    assert {item.pico: item.receipts for item in done} == {
        pico: len(engine.log(pico)) for pico, _ in picos
    }
    assert all(item.is_equal for item in done) and sum(told) <= sum(i.receipts for i in done)


# -- files that lie


def repacked(data: bytes, changes: dict[Cid, bytes]) -> bytes:
    """The file with blocks replaced, and every link to them led to the new ones."""
    car = CarFile(data)
    blocks = {cid: car.block(cid) for cid in car}
    names = {cid: cid_of_block(new) for cid, new in changes.items()}
    for cid, new in changes.items():
        del blocks[cid]
        blocks[names[cid]] = new
    root = car.root
    while True:
        stale = [
            cid
            for cid, block in blocks.items()
            if cid == root or is_page(block)
            if block != relinked(block, names)
        ]
        if not stale:
            return encode_car(root, blocks)
        for cid in stale:
            new = relinked(blocks.pop(cid), names)
            names[cid] = cid_of_block(new)
            blocks[names[cid]] = new
            root = names[cid] if cid == root else root


def is_page(block: bytes) -> bool:
    try:
        rows = decode_block(block)
    except LedgerError:
        return False
    return isinstance(rows, list) and all(
        isinstance(row, list) and len(row) == 2 and isinstance(row[0], Cid) for row in rows
    )


def relinked(block: bytes, names: dict[Cid, Cid]) -> bytes:
    def change(item: Block) -> Block:
        match item:
            case Cid():
                return names.get(item, item)
            case list():
                return [change(below) for below in item]
            case dict():
                return {key: change(below) for key, below in item.items()}
            case _:
                return item

    return encode_block(change(decode_block(block)))


def lying(engine: Engine, signer: Signer, seq: int = 5, **fields: object) -> bytes:
    """The exported file with one core changed and its envelope signed again."""
    receipt = engine.receipt("me", seq)
    core: Core = replace(receipt.core, **fields)  # type: ignore[arg-type] # any field
    envelope = replace(receipt.envelope, core=cid_of_block(encode_core(core)))
    sealed = seal(encode_core(core), envelope, signer)
    changes = {
        receipt.cid: sealed.core_bytes,
        cid_of_block(receipt.envelope_bytes): sealed.envelope_bytes,
    }
    return repacked(exported(engine), changes)


def test_a_lie_that_the_engine_signed_is_the_engines_fault(engine: Engine) -> None:
    histories = ExportedHistories(lying(engine, engine.signer, post=cid_of_block(b"\x80")))
    problem = replayed(engine, histories, engine.find("me")).problem
    assert problem is not None and (problem.seq, problem.field) == (5, "post")
    assert problem.fault == "the engine signed it so"


def test_a_lie_that_nobody_signed_is_the_fault_of_whoever_kept_it(engine: Engine) -> None:
    histories = ExportedHistories(lying(engine, Signer(b"x" * 32), fuel=1))
    problem = replayed(engine, histories, engine.find("me")).problem
    assert problem is not None and problem.seq == 5
    assert problem.fault.startswith("it is not what was signed")


def test_a_lie_that_only_running_shows_is_found_by_replay(engine: Engine) -> None:
    histories = ExportedHistories(lying(engine, engine.signer, fuel=1))
    done = replayed(engine, histories, engine.find("me"))
    assert done.divergence is not None
    assert (done.divergence.seq, done.divergence.field) == (5, "fuel")
    assert done.receipts == 5


def test_a_block_that_is_missing_is_named(engine: Engine) -> None:
    car = CarFile(exported(engine, has_states=False))
    tape = engine.receipt("me", 4).core.event
    rest = {cid: car.block(cid) for cid in car if cid != tape}
    problem = replayed(
        engine, ExportedHistories(encode_car(car.root, rest)), engine.find("me")
    ).problem
    assert problem is not None and (problem.seq, problem.field) == (4, "blocks")
    assert str(tape) in problem.text


ROOTS = {
    "picos out of order": lambda e: replace(e, picos=e.picos[::-1]),
    "a pico twice": lambda e: replace(e, picos=(e.picos[0], e.picos[0])),
    "no receipts": lambda e: replace(e, picos=(replace(e.picos[0], count=0),)),
    "a page too many": lambda e: replace(
        e, picos=(replace(e.picos[0], pages=e.picos[0].pages * 2),)
    ),
    "no page": lambda e: replace(e, picos=(replace(e.picos[0], pages=()),)),
    "something before the first": lambda e: replace(
        e, picos=(replace(e.picos[0], before=Links(e.picos[0].pages[0], e.picos[0].pages[0])),)
    ),
    "nothing before the fifth": lambda e: replace(e, picos=(replace(e.picos[0], first=5),)),
    "a page that is no block": lambda e: replace(
        e, picos=(replace(e.picos[0], pages=(Cid(b"\x01\x55\x1e\x20" + bytes(32)),)),)
    ),
    "another kind": lambda e: e,
}


@pytest.mark.parametrize("name", ROOTS)
def test_a_root_that_is_not_in_the_one_form_is_refused(engine: Engine, name: str) -> None:
    car = CarFile(exported(engine))
    export = decode_export(car.block(car.root))
    data = encode_export(ROOTS[name](export))
    if name == "another kind":
        data = data.replace(b"picomesh history", b"picomesh mystery")
    blocks = {cid: car.block(cid) for cid in car if cid != car.root}
    with pytest.raises(LedgerError):
        ExportedHistories(encode_car(cid_of_block(data), {**blocks, cid_of_block(data): data}))


def test_a_page_with_a_receipt_less_is_refused(engine: Engine) -> None:
    car = CarFile(exported(engine))
    page = decode_export(car.block(car.root)).picos[0].pages[0]
    count = decode_export(car.block(car.root)).picos[0].count
    links = decode_page(car.block(page), count)[:-1]
    with pytest.raises(LedgerError, match="page"):
        ExportedHistories(repacked(exported(engine), {page: encode_page(links)}))


def test_a_home_that_is_open_replays_its_picos(tmp_path: Path) -> None:
    with Engine.open(tmp_path / "home", Options()) as engine:
        engine.create("me")
        pico = engine.find("me")
        assert rerun(engine.store, engine.public_key, engine.programs, pico).receipts == 1


# -- back into a home


def lived_home(folder: Path, events: int) -> bytes:
    """A home with some events more; returns the file of its histories."""
    with Engine.open(folder) as engine:
        if not engine.store.picos():
            engine.create("me")
            engine.install_module("me", counter().build(), source="source")
        for _ in range(events):
            engine.send("me", "a", "b")
        parts = export_histories(
            engine.store, engine.public_key, engine.store.every_pico(), has_states=False
        )
        return b"".join(parts)


def empty_home_of(folder: Path, other: Path) -> Path:
    """A new folder with the key of another home."""
    folder.mkdir(mode=0o700)
    (folder / "engine.key").write_bytes((other / "engine.key").read_bytes())
    return folder


def ignore(_: int) -> None:
    return


def test_a_lost_home_comes_back_from_its_key_and_a_file_and_goes_on(tmp_path: Path) -> None:
    data = lived_home(tmp_path / "lost", 3)
    with Engine.open(empty_home_of(tmp_path / "new", tmp_path / "lost")) as engine:
        (done,) = restore(engine, ExportedHistories(data), ignore)
        assert (done.name, done.receipts) == ("me", 5)
        assert verify_home(engine.store, engine.public_key).problems == ()
        assert engine.send("me", "a", "b").receipt.core.seq == 5
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_home_takes_only_what_it_lacks(tmp_path: Path) -> None:
    early = lived_home(tmp_path / "old", 1)
    home = empty_home_of(tmp_path / "new", tmp_path / "old")
    late = lived_home(tmp_path / "old", 2)
    with Engine.open(home) as engine:
        counts = [
            restore(engine, ExportedHistories(data), ignore)[0].receipts
            for data in (early, late, late, early)
        ]
        assert counts == [3, 2, 0, 0]
        assert verify_home(engine.store, engine.public_key).problems == ()


def test_a_home_takes_no_history_that_another_engine_signed(tmp_path: Path) -> None:
    data = lived_home(tmp_path / "theirs", 1)
    with (
        Engine.open(tmp_path / "mine") as engine,
        pytest.raises(OperatorError, match="signed by engine"),
    ):
        restore(engine, ExportedHistories(data), ignore)


def test_a_home_takes_no_history_that_contradicts_its_own(tmp_path: Path) -> None:
    data = lived_home(tmp_path / "one", 1)
    home = empty_home_of(tmp_path / "two", tmp_path / "one")
    with Engine.open(home) as engine:
        restore(engine, ExportedHistories(data), ignore)
        engine.send("me", "a", "b")
    other = lived_home(tmp_path / "one", 1)
    with Engine.open(home) as engine, pytest.raises(OperatorError, match="receipt 3 of this home"):
        restore(engine, ExportedHistories(other), ignore)


def test_a_home_takes_no_history_that_does_not_replay(engine: Engine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "engine.key").write_bytes(engine.signer.seed)
    histories = ExportedHistories(lying(engine, engine.signer, fuel=1))
    with Engine.open(home) as mine, pytest.raises(OperatorError, match="fuel"):
        restore(mine, histories, ignore)
    with Engine.open(home) as mine:
        assert engine.find("me") not in dict(mine.store.picos())

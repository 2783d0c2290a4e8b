"""The second verifier, in JavaScript on another WASM engine, says what the first one says."""

from __future__ import annotations

import json
import random
import subprocess
from itertools import islice
from pathlib import Path

import pytest

from examples.cases import NAMES
from examples.test_history import live_through
from forging import forged
from lives import RECEIPTS, lived
from mutants import changed_bytes, changed_fields, signed_lies
from picomesh.engine import Engine
from picomesh.engine.audit import Check, audit
from picomesh.engine.checked import CheckedModules
from picomesh.engine.prove import prove
from verifier.node import NODE, VERIFIER, audit_all, needs_node, run_node

pytestmark = needs_node
MUTANTS = 10_000
LIES_EACH = 150
MODULES = CheckedModules()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return lived()


def proof(engine: Engine, seq: int) -> bytes:
    return prove(engine.store, engine.programs, engine.find("me"), seq, engine.signer)


def test_every_class_of_receipt_is_proved_on_another_engine(engine: Engine) -> None:
    verdicts = audit_all(proof(engine, seq) for seq in range(RECEIPTS))
    assert [(item.verdict, item.text) for item in verdicts] == [("proved", "")] * RECEIPTS


def test_what_the_examples_do_is_proved_on_another_engine() -> None:
    """Rulesets compiled from KRL, with events made at random, failures among them."""
    bench = live_through(24, list(NAMES))
    pico = bench.engine.store.picos()[0][0]
    head = bench.engine.store.head(pico)
    assert head is not None
    store, programs = bench.engine.store, bench.engine.programs
    files = [prove(store, programs, pico, seq) for seq in range(len(NAMES), head.seq + 1, 2)]
    assert {item.verdict for item in audit_all(files)} == {"proved"}


# -- files that say something else (mutants.py)


@pytest.mark.parametrize("seq", [4, 10])
def test_both_refuse_every_file_of_which_a_byte_or_a_field_was_changed(
    engine: Engine, seq: int
) -> None:
    data, chance = proof(engine, seq), random.Random(seq)
    mutants = [*changed_bytes(data, MUTANTS // 4, chance)]
    mutants += islice(changed_fields(data, chance), MUTANTS // 4)
    theirs = audit_all(mutants)
    assert {item.verdict for item in theirs} == {"refused"}
    for number, wrong in enumerate(mutants):
        ours = audit(wrong, lambda _: engine.programs.sandbox, MODULES).refused
        assert ours is not None, number
        assert ours.name == theirs[number].check, (ours, theirs[number])


@pytest.mark.parametrize("seq", [1, 4, 10, 13, 15])
def test_both_say_the_same_of_every_lie_that_the_engine_itself_signs(
    engine: Engine, seq: int
) -> None:
    """One field is another and all signatures hold; some of these could have happened so."""
    chance = random.Random(seq)
    lies = list(islice(signed_lies(proof(engine, seq), engine.signer, chance), LIES_EACH))
    theirs = audit_all(lies)
    said: list[tuple[str, str]] = []
    for number, lie in enumerate(lies):
        ours = audit(lie, lambda _: engine.programs.sandbox, MODULES).refused
        said.append(("proved", "") if ours is None else ("refused", ours.name))
        found = (theirs[number].verdict, theirs[number].check)
        assert said[-1] == found or is_only_metering(ours, found), (number, ours, theirs[number])
    assert len({check for _, check in said}) >= 4, "lies of several classes"


def is_only_metering(ours: Check | None, theirs: tuple[str, str]) -> bool:
    """The second verifier has no rewriter (proof.md §4)."""
    wrongly = ours is not None and ours.name == "code" and "does not become" in ours.text
    return wrongly and theirs[1] in ("", "code", "execution")


def test_the_command_line_says_what_holds_and_what_does_not(engine: Engine, tmp_path: Path) -> None:
    good = tmp_path / "good.car"
    good.write_bytes(proof(engine, 4))
    printed = run_node(str(VERIFIER / "cli.js"), str(good))
    assert printed.splitlines()[-1].startswith("Proved: ")
    assert "ok  execution" in printed


def test_a_time_that_no_calendar_has_is_shown_as_a_number(engine: Engine, tmp_path: Path) -> None:
    """An engine may sign any time; what then comes out is proved like anything else."""
    from picomesh.cli import execute

    for number, time in enumerate([10**18, 2**63, -(2**62)]):
        lie = tmp_path / f"{number}.car"
        lie.write_bytes(forged(proof(engine, 4), engine.signer, time=time))
        assert f"{time} ms" in run_node(str(VERIFIER / "cli.js"), str(lie)) or abs(time) > 2**53
        assert execute(["audit", str(lie), "--cache", str(tmp_path / "cache")]) == 0


def test_the_command_line_convicts_with_evidence_and_with_nothing_else(
    engine: Engine, tmp_path: Path
) -> None:
    vectors = VERIFIER.parent / "tests" / "vectors" / "evidence"
    good = json.loads((vectors / "accepted.json").read_text())[0]["bytes"]
    wrong = json.loads((vectors / "refused-receipts.json").read_text())[0]["bytes"]
    for name, data in (("good", good), ("wrong", wrong)):
        (tmp_path / f"{name}.car").write_bytes(bytes.fromhex(data))
    printed = run_node(str(VERIFIER / "cli.js"), str(tmp_path / "good.car"))
    assert printed.splitlines()[-1].startswith("Convicted: ")
    done = subprocess.run(
        [str(NODE), str(VERIFIER / "cli.js"), str(tmp_path / "wrong.car")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and "Refused: this file is no evidence." in done.stdout

"""The WebAssembly core test suite, metered: every call comes to what it comes to unmetered.

The suite is not in this repository. Name its folder to run it:

    PICOMESH_WASM_TESTSUITE=/folder/with/wast/files pytest tests/abi/test_wast.py -s
"""

from __future__ import annotations

import json
import math
import os
import struct
from collections import Counter
from pathlib import Path

import pytest
import wasmtime

from abi.wast import (
    NotAdmitted,
    Script,
    Tally,
    as_ruleset,
    bits_of,
    is_nan,
    read_script,
    run_scripts,
)

FOLDER = os.environ.get("PICOMESH_WASM_TESTSUITE", "")

SCRIPT = r"""
;; comments (; of both kinds ;)
(module $counter (; nested (; twice ;) ;)
  (global $n (mut i32) (i32.const 0))
  (func (export "up") (param i32) (result i32)
    (global.set $n (i32.add (global.get $n) (local.get 0))) (global.get $n))
  (func (export "divide") (param f64 f64) (result f64) (f64.div (local.get 0) (local.get 1)))
  (func (export "bits") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
  (func $deep (export "deep") (call $deep))
  (func (export "two") (result i32 i64) (i32.const -1) (i64.const -1))
  (func (export "\74rap") unreachable))
(invoke "up" (i32.const 0x1_0))
(assert_return (invoke $counter "up" (i32.const -1)) (i32.const 15))
(assert_return (invoke "divide" (f64.const 0) (f64.const -0)) (f64.const nan:canonical))
(assert_return (invoke "bits" (f32.const -nan:0x200001)) (i32.const 0xffa00001))
(assert_return (invoke "two") (i32.const 0xffffffff) (i64.const -1))
(assert_trap (invoke "trap") "unreachable")
(assert_exhaustion (invoke "deep") "call stack exhausted")
(module (func (export "v") (result v128) (v128.const i64x2 0 0)))
(assert_return (invoke "v") (v128.const i64x2 0 0))
(assert_malformed (module quote "(func") "unexpected end")
"""


def run_text(text: str) -> Tally:
    tally = Tally()
    Script(wasmtime.Engine(), text, tally).run()
    return tally


def test_a_script_runs_on_both_forms_and_its_assertions_are_counted() -> None:
    tally = run_text(SCRIPT)
    assert (tally.modules, tally.admitted) == (2, 1)
    assert (tally.calls, tally.traps) == (7, 2)
    assert (tally.as_expected, tally.other_than_expected) == (6, [])
    assert tally.differences == []


def test_a_wrong_expectation_is_told_and_is_no_difference() -> None:
    module = '(module (func (export "f") (result i32) (i32.const 1)))'
    tally = run_text(f'{module}\n(assert_return (invoke "f") (i32.const 2))')
    assert tally.other_than_expected == ["line 2: [1]"] and tally.differences == []


def test_metering_that_changed_a_result_would_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = '(module (func (export "f") (param i32) (result i32) (local.get 0)))'
    calls = iter([1, 2])
    monkeypatch.setattr("abi.wast.Form.call", lambda *_: [next(calls)])
    tally = run_text(f'{module} (invoke "f" (i32.const 1))')
    assert tally.differences == ["line 1: raw [1], metered [2]"]


def test_a_module_in_bytes_is_read() -> None:
    tally = run_text(r'(module binary "\00asm" "\01\00\00\00") (module quote "(module)")')
    assert (tally.modules, tally.admitted) == (2, 1)


@pytest.mark.parametrize(
    "text", ["0", "-0.0", "0x1p-149", "1e-46", "3.4028236e38", "0x1.000001p0", "16777217", "1.e3"]
)
def test_numbers_are_read_to_the_nearest_single(text: str) -> None:
    number = float.fromhex(text) if "0x" in text else float(text)
    try:
        nearest = struct.unpack("<I", struct.pack("<f", number))[0]
    except OverflowError:
        nearest = struct.unpack("<I", struct.pack("<f", math.inf))[0]
    assert bits_of("f32", text) == nearest


def test_what_is_between_two_singles_is_rounded_once() -> None:
    """Through a double it would be a tie, and go to the even one."""
    assert bits_of("f32", "0x1.00000100000000001p0") == 0x3F80_0001
    assert bits_of("f64", "0x1.921fb54442d18p+1") == 0x400921FB54442D18
    assert bits_of("i64", "-0x8000_0000_0000_0000") == 1 << 63
    assert is_nan(bits_of("f64", "-nan"), 64) and not is_nan(bits_of("f64", "-inf"), 64)


def test_what_the_profile_does_not_have_is_not_admitted() -> None:
    with pytest.raises(NotAdmitted):
        as_ruleset(bytes(wasmtime.wat2wasm("(module (func) (start 0))")))


def test_a_script_that_is_no_script_is_told() -> None:
    assert run_scripts(iter([("bad", "(module")]))["bad"].refusals.total() == 1
    assert read_script(";; nothing\n") == []


@pytest.mark.skipif(
    not FOLDER,
    reason="THE WEBASSEMBLY TEST SUITE IS NOT RUN: name its folder in PICOMESH_WASM_TESTSUITE",
)
def test_the_core_test_suite_comes_to_the_same_metered() -> None:
    paths = sorted(Path(FOLDER).glob("*.wast"))
    assert paths, f"no .wast files in {FOLDER}"
    texts = ((path.name, path.read_text("utf-8", "replace")) for path in paths)
    found = run_scripts(texts)
    refusals: Counter[str] = Counter()
    for tally in found.values():
        refusals.update(tally.refusals)
    total = {
        "scripts": len(found),
        "modules": sum(item.modules for item in found.values()),
        "admitted": sum(item.admitted for item in found.values()),
        "calls": sum(item.calls for item in found.values()),
        "traps": sum(item.traps for item in found.values()),
        "as_expected": sum(item.as_expected for item in found.values()),
        "other_than_expected": sum(len(item.other_than_expected) for item in found.values()),
        "differences": sum(len(item.differences) for item in found.values()),
        "refusals": dict(refusals.most_common(12)),
    }
    print(json.dumps(total))
    for name, tally in found.items():
        for line in [*tally.differences, *tally.other_than_expected[:3]]:
            print(f"{name}: {line}")
    assert total["admitted"] and total["differences"] == 0

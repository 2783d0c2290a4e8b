"""docs/system.md and the rulesets say the same: functions, events, attributes, what is raised."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

from krl.compiler import compile_source
from krl.diagnostic import Source
from picomesh.engine.system import SYSTEM_RIDS
from picomesh.manifest import Manifest, read_manifest
from system.served import SUBSCRIPTION, Served

TEXT = (Path(__file__).parents[2] / "docs" / "system.md").read_text("utf-8")
_CODE = re.compile(r"`([^`]+)`")
_ATTRIBUTE = re.compile(r'\b(?:event:)?attrs\{"(\w+)"\}')
_RAISED = re.compile(r'raise (\w+) event (?:"(\w+)"|(\w+))')
# Sets of attributes that rules pass on as a whole, not read by name.
_PASSED_ON = {"Rx", "Tx", "Id", "name", "backgroundColor"}


def source(rid: str) -> str:
    return (resources.files("pico_rulesets") / "system" / f"{rid}.krl").read_text("utf-8")


def manifest(rid: str) -> Manifest:
    module = compile_source(Source(rid, source(rid))).module
    assert module is not None
    return read_manifest(module)


def rows(kind: str, rid: str) -> list[list[str]]:
    """The rows of a table: the cells of each."""
    part = TEXT.partition(f"### {kind} of {rid}\n")[2]
    table = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", part, re.MULTILINE)
    assert table is not None
    return [[cell.strip() for cell in row[1:-1].split("|")] for row in table[1].splitlines()]


def first_code(row: list[str]) -> str:
    found = _CODE.search(row[0])
    assert found is not None
    return found[1]


@pytest.mark.parametrize("rid", SYSTEM_RIDS)
def test_every_function_is_documented_with_its_arguments_and_its_kind(rid: str) -> None:
    said = {}
    for row in rows("Functions", rid):
        name, _, rest = first_code(row).partition("(")
        said[name] = (rest.rstrip(")").split(", ") if rest != ")" else [], set(row[1].split(", ")))
    known = manifest(rid)
    shared = {item.name: list(item.args) for item in known.shares if item.name != "__testing"}
    provided = {item.name: list(item.args) for item in known.provides}
    assert set(said) == set(shared) | set(provided)
    for name, (args, kinds) in said.items():
        assert args == shared.get(name, provided.get(name)), name
        expected = {"shared"} if name in shared else set()
        if name in provided:
            is_action = f"{name} = defaction" in source(rid)
            expected |= {"provided action" if is_action else "provided"}
        assert kinds == expected, name


@pytest.mark.parametrize("rid", SYSTEM_RIDS)
def test_every_event_is_documented_and_no_other(rid: str) -> None:
    said = [first_code(row) for row in rows("Events", rid)]
    known = {f"{domain}:{name}" for domain, name in manifest(rid).selects or ()}
    assert len(said) == len(set(said))
    assert set(said) == known


@pytest.mark.parametrize("rid", SYSTEM_RIDS)
def test_every_attribute_that_is_read_is_documented_and_no_other(rid: str) -> None:
    names = {name for row in rows("Events", rid) for name in _CODE.findall(row[1])}
    said = {name for name in names if ":" not in name} - {"Tx_Rx"}
    read = set(_ATTRIBUTE.findall(source(rid)))
    assert read - said == set()
    assert said - read <= _PASSED_ON


@pytest.mark.parametrize("rid", SYSTEM_RIDS)
def test_every_event_that_is_raised_is_documented_and_no_other(rid: str) -> None:
    said = {name for row in rows("Events", rid) for name in _CODE.findall(row[3]) if ":" in name}
    raised = set()
    for domain, name, variable in _RAISED.findall(source(rid)):
        names = [name] if name else _values_of(rid, variable)
        raised |= {f"{domain}:{item}" for item in names}
    assert said == raised


def _values_of(rid: str, variable: str) -> list[str]:
    """The texts a variable may have: those that stand in its declaration, or its map's."""
    mapped = re.search(rf"\b{variable} = (\w+){{event:name}}", source(rid))
    if mapped is not None:
        whole = re.search(rf"\b{mapped[1]} = {{(.*?)}}", source(rid), re.DOTALL)
        assert whole is not None
        return re.findall(r': "(\w+)"', whole[1])
    found = re.search(rf"\b{variable} =\n((?:.*\n)+?)\s*}}", source(rid))
    assert found is not None
    return re.findall(r'"(\w+_\w+)"', found[1])


def test_the_command_that_runs_wrangler_alone_does_as_it_says() -> None:
    (line,) = re.findall(r"^\$ picomesh (run picomesh:system.*)$", TEXT, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", "picomesh", *line.split()],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert 'answer "Root Pico"' in done.stdout


def test_the_example_enrols_every_child_and_rings_for_all(served: Served) -> None:
    (example,) = re.findall(r"^```krl\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    root = served.root()
    url = served.publish("school", example)
    served.event(root, "wrangler:install_ruleset_request", url=url)
    pupils = []
    for name in ("Ada", "Bea"):
        (told,) = served.event(root, "wrangler:new_child_request", name=name)
        pupils.append(told["options"]["uiEci"])
    served.settle()
    for eci in pupils:
        (bus,) = served.query(eci, SUBSCRIPTION, "inbound")
        assert (bus["Rx_role"], bus["Tx_role"]) == ("pupil", "teacher")
        served.event(eci, "wrangler:pending_subscription_approval", Id=bus["Id"])
    served.settle()
    assert len(served.query(root, "io.example.school", "pupils")) == 2
    served.event(root, "school:bell", subject="KRL")
    served.settle()
    for eci in pupils:
        pico = served.query(eci, "io.picolabs.wrangler", "id")
        last = served.ask("GET", f"/api/v1/picos/{pico}/receipts")[-1]
        assert last["kind"] == "event" and last["outcome"] == "ok"

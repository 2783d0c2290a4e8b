"""Subscriptions by the reference's own wrangler and subscription rulesets, over HTTP, and by ours.

The last whole engine on npm is of an older generation (0.48.1); the protocol of subscriptions is
the same, so the same requests must lead to the same buses. PICOMESH_REFERENCE_WHOLE names a folder
with the packages of bench/peer/whole/package.json.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Protocol

import pytest

from system.served import SUBSCRIPTION, WRANGLER, Served

VARIABLE = "PICOMESH_REFERENCE_WHOLE"
LAUNCHER = Path(__file__).parents[2] / "bench" / "peer" / "whole.js"
NOTHING = "ruleset nothing { rule r { select when a b noop() } }"
# Keys of a bus that are of that generation, or of one of the two: docs/system.md says why.
OF_ONE_SIDE = {"Tx_verify_key", "Tx_public_key", "Tx_host"}


class World(Protocol):
    """An engine behind the reference's paths."""

    def get(self, path: str) -> Any: ...
    def child(self, name: str) -> str: ...
    def settle(self) -> None: ...


class Theirs:
    """The whole reference engine."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        (folder / "nothing.krl").write_text(NOTHING)
        command = ["node", str(LAUNCHER), str(folder / "nothing.krl"), str(port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        told = json.loads(self._process.stdout.readline())
        self._base = f"http://localhost:{told['port']}"
        self._root = told["path"].split("/")[3]

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self._base + path, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def child(self, name: str) -> str:
        path = f"/sky/event/{self._root}/none/wrangler/new_child_request"
        told = self.get(f"{path}?name={name}&rids={SUBSCRIPTION}")
        time.sleep(1)  # its rulesets come after the answer
        return str(told["directives"][0]["options"]["pico"]["eci"])

    def settle(self) -> None:
        """It does not tell when it has nothing to do."""
        time.sleep(0.3)


class Ours:
    """picomesh."""

    def __init__(self, served: Served) -> None:
        self._served = served

    def get(self, path: str) -> Any:
        return self._served.ask("GET", path)

    def child(self, name: str) -> str:
        root = self._served.root()
        told = self.get(f"/sky/event/{root}/none/wrangler/new_child_request?name={name}")
        return str(told["directives"][0]["options"]["uiEci"])

    def settle(self) -> None:
        self._served.settle()


def send(world: World, eci: str, name: str, /, **attrs: str) -> None:
    query = urllib.parse.urlencode(attrs)
    assert world.get(f"/sky/event/{eci}/none/wrangler/{name}?{query}")["directives"] == []
    world.settle()


def buses(world: World, eci: str, kind: str) -> list[Any]:
    found = world.get(f"/sky/cloud/{eci}/{SUBSCRIPTION}/{kind}")
    return [{key: bus[key] for key in bus if key not in OF_ONE_SIDE} for bus in found]


def play(world: World) -> list[Any]:
    """Asks, agrees, cancels, refuses, takes back; what the buses are after each."""
    one, two = world.child("one"), world.child("two")
    names = {one: "one", two: "two"}
    seen: list[Any] = []

    def plain(value: Any) -> Any:
        if isinstance(value, str):
            known = value in names or len(value) < 20  # roles and names are short
            return (
                value if known and value not in names else names.setdefault(value, f"#{len(names)}")
            )
        if isinstance(value, dict):
            return {key: plain(value[key]) for key in sorted(value)}
        return [plain(item) for item in value]

    def look(step: str) -> None:
        kinds = ("outbound", "inbound", "established")
        found = {
            name: {kind: buses(world, eci, kind) for kind in kinds}
            for name, eci in (("one", one), ("two", two))
        }
        seen.append([step, plain(found)])

    def ask() -> str:
        known = world.get(f"/sky/cloud/{two}/{SUBSCRIPTION}/wellKnown_Rx")["id"]
        roles = {"Rx_role": "pupil", "Tx_role": "teacher", "name": "lesson"}
        send(world, one, "subscription", wellKnown_Tx=known, **roles)
        return str(buses(world, one, "outbound")[-1]["Id"])

    for steps in (
        [(two, "pending_subscription_approval"), (one, "subscription_cancellation")],
        [(two, "pending_subscription_approval"), (two, "subscription_cancellation")],
        [(two, "inbound_rejection")],
        [(one, "outbound_cancellation")],
    ):
        subscription = ask()
        look("asked")
        for eci, name in steps:
            send(world, eci, name, Id=subscription)
            look(name)
    myself = world.get(f"/sky/cloud/{one}/{WRANGLER}/myself")
    seen.append(["myself", sorted(myself), myself["name"]])
    return seen


@pytest.mark.skipif(
    not os.environ.get(VARIABLE) or shutil.which("node") is None,
    reason=f"{VARIABLE} must name a folder with node_modules/pico-engine, and node be there",
)
def test_the_reference_s_own_rulesets_lead_to_the_same_buses(
    served: Served, tmp_path: Path
) -> None:
    theirs = Theirs(tmp_path)
    try:
        expected = play(theirs)
    finally:
        theirs.close()
    assert play(Ours(served)) == expected


def test_subscriptions_over_the_reference_s_paths_end_where_they_began(served: Served) -> None:
    steps = play(Ours(served))
    assert steps[-2][1] == {
        name: {"established": [], "inbound": [], "outbound": []} for name in ("one", "two")
    }

"""The same script, with the same rulesets, here and on the reference engine's core from npm.

PICOMESH_REFERENCE names a folder in which `npm install pico-engine-core` was run. What is not the
same is listed in docs/system.md with its reason.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from system.script import play
from system.served import Served

VARIABLE = "PICOMESH_REFERENCE"
RIDS = ("io.picolabs.wrangler", "io.picolabs.pds", "io.picolabs.subscription")
DOCUMENT = Path(__file__).parents[2] / "docs" / "system.md"


class Reference:
    """The reference's core in a process of Node."""

    def __init__(self, folder: str) -> None:
        driver = Path(__file__).parent / "reference.cjs"
        pipe = subprocess.PIPE
        command = ["node", str(driver), folder]
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        texts = resources.files("pico_rulesets") / "system"
        rulesets = {self._url(rid): (texts / f"{rid}.krl").read_text() for rid in RIDS}
        self._eci = str(self._ask(rulesets=rulesets, install=list(rulesets))["eci"])
        self.event(self._eci, "engine:started")

    def _url(self, name: str) -> str:
        return f"http://rulesets.test/{name}.krl"

    def _ask(self, **asked: Any) -> Any:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def root(self) -> str:
        return self._eci

    def publish(self, name: str, text: str) -> str:
        self._ask(texts={self._url(name): text})
        return self._url(name)

    def event(self, eci: str, kind: str, /, **attrs: Any) -> list[Any]:
        domain, name = kind.split(":")
        event = {"eci": eci, "domain": domain, "name": name, "attrs": attrs}
        return [*self._ask(event=event)["directives"]]

    def query(self, eci: str, rid: str, name: str, /, **args: Any) -> Any:
        return self._ask(query={"eci": eci, "rid": rid, "name": name, "args": args})["value"]

    def settle(self) -> None:
        self._ask(settle=True)

    def restart(self) -> None:
        self._ask(restart=True)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)
        self.settle()


@pytest.mark.skipif(
    not os.environ.get(VARIABLE) or shutil.which("node") is None,
    reason=f"{VARIABLE} must name a folder with node_modules/pico-engine-core, and node be there",
)
def test_the_reference_says_the_same_but_for_what_is_documented(served: Served) -> None:
    reference = Reference(os.environ[VARIABLE])
    try:
        theirs = play(reference)
    finally:
        reference.close()
    ours = play(served)
    assert list(ours) == list(theirs)
    different = {step for step in ours if ours[step] != theirs[step]}
    for step in sorted(different - documented()):
        print(step, ours[step], theirs[step], sep="\n  ")
    assert different == documented()


def documented() -> set[str]:
    """The steps that docs/system.md says are different."""
    text = DOCUMENT.read_text("utf-8")
    part = text.partition("## Against the reference's core\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `([^`]+)` \|", part, re.MULTILINE))


def test_the_script_runs_here_to_its_end(served: Served) -> None:
    seen = play(served)
    assert documented() <= set(seen)
    assert f"one script of {len(seen)} steps" in " ".join(DOCUMENT.read_text("utf-8").split())
    assert seen["one is left"][0]["name"] == "uno"
    assert seen["one: heard"] == ["back"]
    assert seen["schedule: fired"] == ["back", "soon"]

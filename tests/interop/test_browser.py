"""The page audits a real proof in a real browser, and refuses a forged one.

The browser is the system's Chromium; where there is none, one from npm. The pictures that the tests
take are left in `tests/output`.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from forging import forged
from interop.npm import installed
from lives import lived
from picomesh.cli.onepage import one_page
from picomesh.engine import Engine, Options
from picomesh.engine.library import compile_krl
from picomesh.engine.prove import prove
from verifier.node import ROOT, VERIFIER, needs_node, run_node

pytestmark = needs_node
OUTPUT = ROOT / "tests" / "output"
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), "")
PACKAGES = ("playwright-core@1.65.1", *(() if BROWSER else ("@sparticuz/chromium@153.0.0",)))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The page, as any server of files would serve it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(VERIFIER)))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The proof of an event of the counter example, one of a guest by hand, and a forged one."""
    folder = tmp_path_factory.mktemp("proofs")
    source = ROOT / "rulesets" / "pico_rulesets" / "examples" / "counter.krl"
    with Engine.ephemeral(Options()) as engine:
        engine.create("me")
        text = source.read_text("utf-8")
        engine.install_module("me", compile_krl(text), source=text, url="file:///counter.krl")
        engine.send("me", "counter", "incremented", {"by": 3})
        counted = prove(engine.store, engine.programs, engine.find("me"), 2, engine.signer)
    with lived() as engine:
        good = prove(engine.store, engine.programs, engine.find("me"), 4, engine.signer)
        lie = forged(good, engine.signer, fuel=1)
    contents = {"counter": counted, "good": good, "forged": lie}
    for name, data in contents.items():
        (folder / f"{name}.car").write_bytes(data)
    return [folder / f"{name}.car" for name in contents]


@pytest.mark.parametrize("kind", ["served", "one file"])
def test_the_page_proves_proofs_and_refuses_a_forged_one(
    kind: str, server: str, files: list[Path], tmp_path: Path
) -> None:
    page = tmp_path / "audit.html"
    page.write_text(one_page(VERIFIER), "utf-8")
    address = server if kind == "served" else page.as_uri()
    folder = installed(*PACKAGES)
    shutil.copy(Path(__file__).with_name("browser.mjs"), folder)
    OUTPUT.mkdir(exist_ok=True)
    picture = OUTPUT / f"page-{kind.replace(' ', '-')}.png"
    picture.unlink(missing_ok=True)
    script = str(folder / "browser.mjs")
    lines = run_node(script, BROWSER, address, str(picture), *map(str, files)).splitlines()
    counted, proved, refused = map(json.loads, lines)
    assert (counted["verdict"], counted["checks"]) == ("proved", 8)
    assert "examples.counter/value = 3" in counted["text"]
    assert (proved["verdict"], proved["checks"]) == ("proved", 8)
    assert 'a:b {"x":[1,{"y":null}],"z":1.5}' in proved["text"]
    assert "ent/t/n = 3" in proved["text"]
    assert refused["verdict"] == "refused" and "fuel differs: recorded 1" in refused["text"]
    assert refused["wrong"] == [] and refused["asked"] == [], "nothing goes anywhere"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000

"""The page audits a real proof in a real browser, and refuses a forged one."""

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
from picomesh.engine.prove import prove
from verifier.node import VERIFIER, needs_node, run_node

pytestmark = needs_node
PACKAGES = ("@sparticuz/chromium@153.0.0", "playwright-core@1.65.1")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The page, as any server of files would serve it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(VERIFIER)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()
    thread.join()


def test_the_page_proves_a_proof_and_refuses_a_forged_one(address: str, tmp_path: Path) -> None:
    with lived() as engine:
        good = prove(engine.store, engine.programs, engine.find("me"), 4, engine.signer)
        lie = forged(good, engine.signer, fuel=1)
    (tmp_path / "good.car").write_bytes(good)
    (tmp_path / "forged.car").write_bytes(lie)
    folder = installed(*PACKAGES)
    shutil.copy(Path(__file__).with_name("browser.mjs"), folder)
    picture = tmp_path / "page.png"
    files = [str(tmp_path / name) for name in ("good.car", "forged.car")]
    printed = run_node(str(folder / "browser.mjs"), address, str(picture), *files)
    proved, refused = map(json.loads, printed.splitlines())
    assert (proved["verdict"], proved["checks"], proved["wrong"]) == ("proved", 8, [])
    assert 'a:b {"x":[1,{"y":null}],"z":1.5}' in proved["text"]
    assert "ent/t/n = 3" in proved["text"]
    assert (refused["verdict"], refused["wrong"]) == ("refused", [])
    assert "fuel differs: recorded 1" in refused["text"]
    assert picture.stat().st_size > 10_000

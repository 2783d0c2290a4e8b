"""The second verifier's page as one file, which a browser opens without any server.

Browsers load modules from `file:` addresses only when they stand in the page itself, so each module
becomes a `data:` address in an import map, under a name of its own. Nothing else changes: the
modules are those of the folder, byte for byte but for the names in their imports, and the page's
policy admits these scripts by their hashes and nothing more.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

_IMPORT = re.compile(r"(\bfrom\s+)'\./([\w-]+\.js)'")
_STYLE = '<link rel="stylesheet" href="page.css">'
_SCRIPT = '<script type="module" src="page.js"></script>'
_POLICY = re.compile(r"script-src 'self' 'wasm-unsafe-eval'; style-src 'self'")
_PREFIX = "picomesh/"


def one_page(folder: Path) -> str:
    """The page of a folder with its style and all its modules inside."""
    page = (folder / "index.html").read_text("utf-8")
    style = (folder / "page.css").read_text("utf-8")
    table = json.dumps({"imports": _modules(folder, "page.js")}, separators=(",", ":"))
    start = f"import '{_PREFIX}page.js';"
    scripts = f"{_hash(table)} {_hash(start)} data: 'wasm-unsafe-eval'"
    page, changed = _POLICY.subn(f"script-src {scripts}; style-src {_hash(style)}", page)
    assert changed == 1 and _STYLE in page and _SCRIPT in page, "the page is ours"
    return page.replace(_STYLE, f"<style>{style}</style>").replace(
        _SCRIPT,
        f'<script type="importmap">{table}</script>\n<script type="module">{start}</script>',
    )


def _modules(folder: Path, first: str) -> dict[str, str]:
    """The address of each module that the first one leads to, by its new name."""
    found: dict[str, str] = {}
    waiting = [first]
    while waiting:
        name = waiting.pop()
        if _PREFIX + name in found:
            continue
        text = (folder / name).read_text("utf-8")
        waiting += [match[2] for match in _IMPORT.finditer(text)]
        renamed = _IMPORT.sub(rf"\1'{_PREFIX}\2'", text)
        coded = base64.b64encode(renamed.encode()).decode("ascii")
        found[_PREFIX + name] = f"data:text/javascript;base64,{coded}"
    return dict(sorted(found.items()))


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"

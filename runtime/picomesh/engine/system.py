"""The rulesets that every pico of a served engine has: wrangler, pds and subscription.

They are KRL like all others, installed by URLs of their own, `picomesh:system/RID.krl`, whose text
ships with picomesh. A new home begins with a root pico that has them; its children get them from
their parents, as the parent has them. Nothing updates them behind a pico's back: a newer text is
another module, and a flush of the URL installs it.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from picomesh.engine.errors import OperatorError

if TYPE_CHECKING:
    from picomesh.engine.model import Response
    from picomesh.ledger.value import Value
    from picomesh.store.store import Store

SYSTEM = "picomesh:system/"
SYSTEM_RIDS = ("io.picolabs.wrangler", "io.picolabs.pds", "io.picolabs.subscription")
ROOT_NAME = "root"
STARTED = ("engine", "started")


class Host(Protocol):
    """What beginning needs of the engine."""

    store: Store

    def create(self, name: str = "") -> Response: ...
    def install_from(self, pico: str, url: str, config: dict[str, Value]) -> Response: ...
    def accept(self, pico: str, domain: str, name: str) -> int: ...
    def together(self) -> AbstractContextManager[None]: ...


def url_of(rid: str) -> str:
    """Where a system ruleset is found."""
    return f"{SYSTEM}{rid}.krl"


def is_system(url: str) -> bool:
    return url.startswith(SYSTEM)


def rid_of(url: str) -> str:
    """Which one it is."""
    return url.removeprefix(SYSTEM).removesuffix(".krl")


def read_system(url: str) -> bytes:
    """The text of a system ruleset. Raises OperatorError."""
    rid = rid_of(url)
    if rid not in SYSTEM_RIDS or url != url_of(rid):
        raise OperatorError(f"{url} is none of the rulesets that ship with picomesh")
    return (resources.files("pico_rulesets") / "system" / f"{rid}.krl").read_bytes()


def begin(engine: Host) -> None:
    """A home without picos gets its root; the root hears that its engine has started."""
    with engine.together():
        if not engine.store.picos():
            make_root(engine)
        root = engine.store.pico_called(ROOT_NAME)
        if root is not None:
            engine.accept(root, *STARTED)


def make_root(engine: Host) -> str:
    """A pico with the system rulesets; returns its id."""
    pico = engine.create(ROOT_NAME).pico
    for rid in SYSTEM_RIDS:
        done = engine.install_from(pico, url_of(rid), {}).transition
        assert done.outcome == "ok", f"{rid}: {done.message}"
    return pico

"""What an engine remembers of a pico's state beside the nodes of its tree.

Which rulesets are installed, what the channels allow and what the last events wrote is asked with
every event and seldom changes. A view holds it under the root it is true of; a transition hands
the view on to the root it leads to, without what it changed. A view that is not there is made
again from the tree, so nothing depends on one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from picomesh.channels import CHANNELS
from picomesh.engine.family import CHILDREN, Siblings
from picomesh.ledger.cid import Cid
from picomesh.ledger.value import Value

if TYPE_CHECKING:
    from picomesh.engine.native import Recipe
    from picomesh.engine.records import RulesetRecord
    from picomesh.transition import Installed

VIEWS_MAX = 10_000
REFUSALS_MAX = 1_000  # of one view
VALUES_BYTES_MAX = 512 * 1024  # of one view, with what an entry takes beside its bytes
VALUE_BYTES_MAX = 4_096  # of one value that is remembered
_ENTRY_BYTES = 200
_UNKNOWN = b"not remembered"  # this object, whatever it says
_RECORDS = b"pico/"
_RULESETS = b"pico/rulesets/"


class View:
    """What is known of the state at one root."""

    __slots__ = (
        "channels",
        "code",
        "first_eci",
        "installed",
        "recipes",
        "records",
        "refusals",
        "root",
        "siblings",
        "values",
        "values_bytes",
    )

    def __init__(self, root: bytes) -> None:
        self.root = root
        self.values: dict[bytes, bytes | None] = {}
        self.forget_values()
        self.siblings: Siblings | None = None
        self.forget_rulesets()
        self.forget_channels()

    def forget(self, path: bytes, value: bytes | None) -> None:
        """What a write of the host's own records makes untrue."""
        if path.startswith(CHILDREN):
            if self.siblings is not None:
                self.siblings.note(path, value)
        elif path.startswith(CHANNELS):
            self.forget_channels()
        elif path.startswith(_RULESETS):
            self.forget_rulesets()

    def forget_values(self) -> None:
        self.values.clear()
        self.values_bytes = 0  # about

    def forget_rulesets(self) -> None:
        self.records: tuple[RulesetRecord, ...] | None = None
        self.installed: Installed | None = None
        self.code: bytes | None = None  # the field `code` of a core
        self.recipes: dict[tuple[object, ...], Recipe] = {}  # of the kernel, by kind of event

    def forget_channels(self) -> None:
        self.channels: dict[str, dict[str, Value] | None] = {}
        self.first_eci: str | None = None
        self.refusals: dict[tuple[str, str, str, str, str | None], str | None] = {}

    def allows(self, use: tuple[str, str, str, str, str | None]) -> bool:
        """Whether it is remembered that a channel lets a use of it through."""
        return use in self.refusals and self.refusals[use] is None

    def refused(self, use: tuple[str, str, str, str, str | None], why: str | None) -> str | None:
        """Keeps why a channel refuses a use of it, or that it does not."""
        if len(self.refusals) >= REFUSALS_MAX:
            self.refusals.clear()
        self.refusals[use] = why
        return why

    def remember(self, path: bytes, value: bytes | None) -> None:
        values = self.values
        old = values.pop(path, _UNKNOWN)
        if old is not _UNKNOWN:
            self.values_bytes -= len(path) + len(old or b"") + _ENTRY_BYTES
        if value is not None and len(value) > VALUE_BYTES_MAX:
            return
        self.values_bytes += len(path) + len(value or b"") + _ENTRY_BYTES
        if self.values_bytes > VALUES_BYTES_MAX:
            values.clear()
            self.values_bytes = len(path) + len(value or b"") + _ENTRY_BYTES
        values[path] = value


class Views:
    """The views of an engine's picos, by root."""

    def __init__(self) -> None:
        self._views: dict[bytes, View] = {}

    def at(self, root: Cid) -> View:
        """The view of a root; an empty one if none is remembered."""
        view = self._views.get(root.raw)
        if view is None:
            if len(self._views) >= VIEWS_MAX:
                self._views.clear()
            view = self._views[root.raw] = View(root.raw)
        return view

    def advance(
        self, before: Cid, after: Cid, writes: Sequence[tuple[bytes, bytes | None]]
    ) -> None:
        """Hands a view on to the root that these writes lead to."""
        if not writes:
            return
        view = self._move(before, after)
        if view is not None:
            for path, value in writes:
                if path.startswith(_RECORDS):
                    view.forget(path, value)
                view.remember(path, value)

    def follow(self, before: Cid, after: Cid) -> None:
        """The same behind the kernel, which remembers values itself and writes no records."""
        if before.raw != after.raw:
            view = self._move(before, after)
            if view is not None and view.values:
                view.forget_values()

    def _move(self, before: Cid, after: Cid) -> View | None:
        view = self._views.pop(before.raw, None)
        if view is not None:
            view.root = after.raw
            self._views[after.raw] = view
        return view

"""What a ruleset reads of its own pico, as of now within the transition."""

from __future__ import annotations

import hashlib

from picomesh.engine.acting.plan import Scene
from picomesh.engine.family import parent_of
from picomesh.engine.records import RulesetRecord
from picomesh.ledger.pieces import head
from picomesh.ledger.value import Value, decode_value, encode_plain

_OK = encode_plain({"ok": None})[:-1]  # up to where the answer stands


def channels(scene: Scene) -> bytes:
    """The answer as it crosses: the records are stored as they are answered."""
    found = scene.encoded_channels()
    return _OK + head(4, len(found)) + b"".join(found)


def parent(scene: Scene) -> Value:
    found = parent_of(scene.overlay)
    return None if found is None else found.eci


def children(scene: Scene) -> Value:
    return [child.eci for child in scene.children()]


def rid_url(scene: Scene) -> Value:
    record = scene.installed().get(scene.calls.ruleset.rid)
    return None if record is None else record.url


def rulesets(scene: Scene) -> Value:
    return [_ruleset(scene, record) for record in scene.installed().values()]


def _ruleset(scene: Scene, record: RulesetRecord) -> Value:
    manifest = scene.acts.programs.manifest(record.metered, scene.acts.blocks)
    text = b"" if record.source is None else scene.acts.blocks.block(record.source)
    meta: dict[str, Value] = dict(manifest.meta)
    for key, items in (("shares", manifest.shares), ("provides", manifest.provides)):
        if items:
            meta[key] = [item.name for item in items]
    return {
        "rid": record.rid,
        "url": record.url,
        "config": decode_value(record.config),
        "meta": {
            "krl": text.decode("utf-8", "replace"),
            "krlMeta": meta,
            "hash": hashlib.sha256(text).hexdigest(),
            "flushed": None,
            "compiler": {"version": manifest.compiler, "warnings": []},
        },
    }

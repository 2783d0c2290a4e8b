"""What a ruleset does to its pico: channels, children, rulesets, and events it sends by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from picomesh.channels import CHANGES, CHANNELS, refusal
from picomesh.engine.acting.plan import ActError, Plan, Scene
from picomesh.engine.family import (
    Relative,
    child_leaves,
    child_record,
    everything,
)
from picomesh.engine.inputs import Spawn, encode_input
from picomesh.engine.installing import Prepared, Wanted, prepare, users_of
from picomesh.engine.records import RULESETS
from picomesh.engine.system import is_system, rid_of
from picomesh.ledger.cid import Cid, cid_of_block
from picomesh.ledger.codec import Block
from picomesh.ledger.value import Value, encode_plain, encode_value
from picomesh.sandbox.interface import GuestTrap
from picomesh.transition import Effect

_Kind = Literal["spawn", "remove", "flush", "send"]
CHANNELS_MAX = 10_000  # of one pico
BORN_MAX = 100  # children of one transition


def channel(name: str) -> Callable[[Scene], Plan]:
    """ctx:newChannel and its like."""

    def plan(scene: Scene) -> Plan:
        channels = scene.channels()
        if len(channels) >= CHANNELS_MAX:
            raise ActError(f"more than {CHANNELS_MAX} channels")
        eci = scene.acts.identifier(scene, "channel")
        changed, record = CHANGES[name](scene.args, channels, eci)
        answer: Value = record if name == "newChannel" else None

        def apply() -> None:
            value = None if record is None else encode_value(record)
            scene.write(CHANNELS + changed.encode(), value)

        return Plan(answer, apply)

    return plan


def new_pico(scene: Scene) -> Plan:
    """ctx:newPico(rulesets): the channel to a child that is born with the commit."""
    given = scene.argument(0)
    if not isinstance(given, list) or not all(isinstance(item, dict) for item in given):
        raise ActError("ctx:newPico expects an array of {url, config}")
    rows: list[Block] = []
    for item in given:
        assert isinstance(item, dict), "they all are"
        wanted = _module(scene, item.get("url"), item.get("config"))
        rows.append([wanted.rid, wanted.raw, wanted.source, wanted.url, wanted.config])
    eci, parent_eci = (scene.acts.identifier(scene, kind) for kind in ("child", "parent"))
    spawn = Spawn(scene.pico, scene.acts.fresh(scene, "nonce"), eci, parent_eci, rows)
    data = encode_input(spawn)
    child = Relative(eci, str(cid_of_block(data)), parent_eci)

    def apply() -> None:
        if len(scene.acts.young.born) >= BORN_MAX:
            raise ActError(f"more than {BORN_MAX} children at once")
        count, last = scene.siblings()
        if count >= CHANNELS_MAX:
            raise ActError(f"more than {CHANNELS_MAX} children")
        for write in child_record(replace(child, position=last + 1)):
            scene.write(*write)
        scene.acts.young.born[eci] = (child.pico, spawn)
        _effect(scene, "spawn", data)

    return Plan(eci, apply)


def delete_pico(scene: Scene) -> Plan:
    """ctx:delPico(eci): a child, and with it its whole subtree."""
    eci = scene.argument(0)
    child = scene.child(eci) if isinstance(eci, str) else None
    if child is None:
        raise ActError(f"delPico({eci!s}) - not found in children ECIs")

    def apply() -> None:
        for write in child_leaves(child):
            scene.write(*write)
        if scene.acts.young.born.pop(child.eci, None) is None:
            _effect(scene, "remove", encode_plain({"pico": child.pico}))
        else:
            _forget(scene, child)

    return Plan(None, apply)


def _forget(scene: Scene, child: Relative) -> None:
    """A child that was made and deleted by the same transition was never there."""
    effects = scene.calls.attempt.effects
    effects[:] = [
        effect
        for effect in effects
        if effect.kind != "spawn" or str(cid_of_block(effect.data)) != child.pico
    ]


def install(scene: Scene) -> Plan:
    """ctx:install(url, config): it sees what is raised from now on."""
    wanted = _module(scene, scene.argument(0), scene.argument(1))
    before = scene.installed()
    prepared = prepare(scene.acts.programs, scene.acts.blocks, before, wanted, scene.acts.seq)
    return Plan(wanted.rid, lambda: _install(scene, prepared))


def _install(scene: Scene, prepared: Prepared) -> None:
    attempt, rid = scene.calls.attempt, prepared.record.rid
    attempt.replace(prepared.ruleset)
    if attempt.check(prepared.ruleset) != prepared.manifest:
        raise GuestTrap("describe does not return the manifest")
    _clear(scene, b"select/" + rid.encode() + b"/")
    scene.write(*prepared.write)


def _clear(scene: Scene, prefix: bytes) -> None:
    for path, _ in list(everything(scene.overlay, prefix)):
        scene.write(path, None)


def uninstall(scene: Scene) -> Plan:
    """ctx:uninstall(rid): with all it stored, unless another ruleset uses it."""
    rid = scene.text(0, "uninstall needs a rid")
    installed = scene.installed()
    users = users_of(scene.acts.programs, scene.acts.blocks, installed, rid)
    if users:
        raise ActError(f"Cannot uninstall {rid} because {users[0]} depends on it")

    def apply() -> None:
        if rid not in installed:
            return
        for space in (b"ent/", b"select/"):
            _clear(scene, space + rid.encode() + b"/")
        scene.write(RULESETS + rid.encode(), None)
        scene.calls.attempt.remove(rid)

    return Plan(None, apply)


def flush(scene: Scene) -> Plan:
    """ctx:flush(url): what is installed from this URL anywhere becomes what is there now."""
    wanted = _module(scene, scene.argument(0), None, fresh=True)
    found: dict[str, Value] = {
        "raw": wanted.raw.raw.hex(),
        "rid": wanted.rid,
        "source": None if wanted.source is None else wanted.source.raw.hex(),
        "url": wanted.url,
    }
    return Plan(None, lambda: _effect(scene, "flush", encode_plain(found)))


def _module(scene: Scene, url: Value, config: Value, fresh: bool = False) -> Wanted:
    """The module behind a URL, pinned by its hash from the tape.

    A system ruleset that the pico has itself is meant as it has it: nobody is asked.
    """
    if not isinstance(url, str) or not url.strip():
        raise ActError("a ruleset needs a url")
    if is_system(url) and not fresh:
        own = scene.ruleset(rid_of(url))
        if own is not None and own.url == url:
            return Wanted(own.rid, own.raw, own.source, url, _settings(config))
    found = scene.acts.from_tape(scene, "ctx:module", [url, fresh])
    match found:
        case {"rid": str(rid), "raw": str(raw), "source": source, "url": str(where)}:
            text = None if source is None else Cid(bytes.fromhex(str(source)))
            module = Cid(bytes.fromhex(str(raw)))
            return Wanted(str(rid), module, text, str(where), _settings(config))
        case _:
            raise ActError(f"no module behind {url!r}")


def _settings(config: Value) -> bytes:
    return encode_value(config if isinstance(config, dict) else {})


def event(scene: Scene) -> Plan:
    """ctx:event(eci, domain, name, attrs, host): throws when no channel lets it through."""
    names = ("eci", "domain", "name")
    eci, domain, name = (scene.text(at, f"missing event.{what}") for at, what in enumerate(names))
    attrs, host = scene.map_or_none(3), scene.argument(4)
    message: dict[str, Value] = {"kind": "send", "eci": eci, "domain": domain, "name": name}
    message["attrs"] = attrs
    if isinstance(host, str) and host and host != scene.calls.attempt.given.host:
        message["host"] = host
        return Plan(None, lambda: _effect(scene, "send", encode_plain(message)))
    check_use(scene, eci, domain, name)
    message["eid"] = scene.acts.identifier(scene, "event")
    return Plan(message["eid"], lambda: _effect(scene, "send", encode_plain(message)))


def check_use(scene: Scene, eci: str, domain: str, name: str) -> None:
    """An event may take this channel. Own channels and newborn children are known here."""
    if eci in scene.acts.young.born:
        return
    for own in scene.channels():
        if own["id"] == eci:
            refused = refusal(own, "event", domain, name, scene.pico)
            if refused is not None:
                raise ActError(refused)
            return
    scene.acts.from_tape(scene, "ctx:channel", [eci, "event", domain, name])


def _effect(scene: Scene, kind: _Kind, data: bytes) -> None:
    scene.calls.attempt.effects.append(Effect(kind, scene.calls.key[0], data))

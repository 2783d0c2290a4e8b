"""Channels: how others reach a pico, and what they may do (docs/formats/state.md §2). Pure.

A record of a channel is part of the pico's state. A ruleset makes and changes channels through
effects; the same functions check what it wants when it asks and when it acts, so that an effect a
hostile guest made up does no more than an honest one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from picomesh.ledger.value import Value

CHANNELS = b"pico/channels/"
ID_CHARACTERS_MAX = 256
_TAG_GAP = re.compile(r"[^a-z0-9_-]+")

Use = Literal["event", "query"]


class ChannelError(Exception):
    """What a ruleset wants of a channel cannot be; the text is for its author."""


def allow_all(eci: str, tags: list[Value] | None = None) -> dict[str, Value]:
    """A channel that allows everything to everyone who knows it."""
    return make_channel(eci, tags or [], None, None)


def make_channel(
    eci: str, tags: Value, event_policy: Value, query_policy: Value
) -> dict[str, Value]:
    """The record of a channel. Raises ChannelError."""
    if not eci or len(eci) > ID_CHARACTERS_MAX or "/" in eci:
        raise ChannelError(f"{eci!r} cannot be the identifier of a channel")
    return {
        "id": eci,
        "tags": clean_tags(tags),
        "eventPolicy": _policy(event_policy, "eventPolicy", ("domain", "name")),
        "queryPolicy": _policy(query_policy, "queryPolicy", ("rid", "name")),
        "familyChannelPicoID": None,
    }


def family_channel(eci: str, tag: str, owner: str) -> dict[str, Value]:
    """A channel that only `owner` may use: a pico's own, or one between parent and child."""
    return allow_all(eci) | {"tags": ["system", tag], "familyChannelPicoID": owner}


def clean_tags(tags: Value) -> list[Value]:
    """Tags in lower case, with dashes for what is not a letter, digit, dash or underscore."""
    if tags is None:
        return []
    if not isinstance(tags, list):
        raise ChannelError("Channel `tags` must be an array of non-empty strings.")
    cleaned: list[Value] = []
    for tag in tags:
        if not isinstance(tag, str) or not tag.strip():
            raise ChannelError("Channel tag cannot be a blank string.")
        text = _TAG_GAP.sub("-", " ".join(tag.split()).lower())
        if text == "system":
            raise ChannelError('Cannot tag channel as "system"')
        cleaned.append(text)
    return cleaned


def _policy(policy: Value, what: str, keys: tuple[str, str]) -> Value:
    if policy is None:
        return {"allow": [dict.fromkeys(keys, "*")], "deny": []}
    if not isinstance(policy, dict) or set(policy) != {"allow", "deny"}:
        raise ChannelError(f"{what} must have exactly `allow` and `deny`")
    return {
        name: [_rule(rule, what, keys) for rule in _rules(policy[name], what)]
        for name in ("allow", "deny")
    }


def _rules(rules: Value, what: str) -> list[Value]:
    if not isinstance(rules, list):
        raise ChannelError(f"{what}: allow and deny must be arrays")
    return rules


def _rule(rule: Value, what: str, keys: tuple[str, str]) -> Value:
    if not isinstance(rule, dict) or set(rule) != set(keys):
        raise ChannelError(f"{what}: a rule must have exactly `{keys[0]}` and `{keys[1]}`")
    cleaned: dict[str, Value] = {}
    for key in keys:
        text = rule[key]
        if not isinstance(text, str) or not text.strip():
            raise ChannelError(f"{what}: `{key}` must be a string that is not blank")
        cleaned[key] = text.strip()
    return cleaned


def refusal(
    channel: dict[str, Value], use: Use, first: str, name: str, sender: str | None = None
) -> str | None:
    """Why a channel does not let this through; None when it does. Deny is asked first.

    `sender` is the pico that uses it, None for whoever is outside of this engine.
    """
    owner = channel.get("familyChannelPicoID")
    if owner is not None and owner != sender:
        return "This is a family channel and only the owner can use it."
    policy = channel.get(f"{use}Policy")
    key = "domain" if use == "event" else "rid"
    if not isinstance(policy, dict):
        return "Not allowed by channel policy"
    if _matches(policy.get("deny"), key, first, name):
        return "Denied by channel policy"
    if not _matches(policy.get("allow"), key, first, name):
        return "Not allowed by channel policy"
    return None


def _matches(rules: Value, key: str, first: str, name: str) -> bool:
    for rule in rules if isinstance(rules, list) else []:
        if (
            isinstance(rule, dict)
            and rule.get(key) in ("*", first)
            and rule.get("name") in ("*", name)
        ):
            return True
    return False


# -- what rulesets do to channels: the arguments of ctx:newChannel and its like


def _argument(args: list[Value], at: int) -> Value:
    return args[at] if at < len(args) else None


def _find(channels: list[dict[str, Value]], eci: Value) -> dict[str, Value]:
    found = next((item for item in channels if item["id"] == eci), None)
    if found is None:
        raise ChannelError(f"ECI not found {eci!s}")
    if found["familyChannelPicoID"] is not None:
        raise ChannelError("Cannot edit or delete family channels.")
    return found


Change = tuple[str, dict[str, Value] | None]


def new_channel(args: list[Value], channels: list[dict[str, Value]], eci: str) -> Change:
    """ctx:newChannel(tags, eventPolicy, queryPolicy)."""
    if any(item["id"] == eci for item in channels):
        raise ChannelError(f"the identifier {eci} is in use")
    return eci, make_channel(eci, _argument(args, 0), _argument(args, 1), _argument(args, 2))


def put_channel(args: list[Value], channels: list[dict[str, Value]], _: str) -> Change:
    """ctx:putChannel(eci, tags, eventPolicy, queryPolicy): what is null stays."""
    old = _find(channels, _argument(args, 0))
    given = [_argument(args, at) for at in (1, 2, 3)]
    kept = [old[key] if value is None else value for key, value in zip(_PARTS, given, strict=True)]
    return str(old["id"]), make_channel(str(old["id"]), kept[0], kept[1], kept[2])


def upsert_channel(args: list[Value], channels: list[dict[str, Value]], eci: str) -> Change:
    """ctx:upsertChannel(tags, eventPolicy, queryPolicy): the one with just these tags, or new."""
    tags = sorted(map(str, clean_tags(_argument(args, 0))))
    for item in channels:
        theirs = item["tags"]
        if isinstance(theirs, list) and sorted(map(str, theirs)) == tags:
            return put_channel([item["id"], *args], channels, eci)
    return new_channel(args, channels, eci)


def delete_channel(args: list[Value], channels: list[dict[str, Value]], _: str) -> Change:
    """ctx:delChannel(eci)."""
    return str(_find(channels, _argument(args, 0))["id"]), None


_PARTS = ("tags", "eventPolicy", "queryPolicy")
CHANGES: dict[str, Callable[[list[Value], list[dict[str, Value]], str], Change]] = {
    "newChannel": new_channel,
    "putChannel": put_channel,
    "upsertChannel": upsert_channel,
    "delChannel": delete_channel,
}

"""The one table of what KRL's library offers: operators, and the functions of built-in modules.

The resolver looks names up here, lowering takes parameter names and exports from here, and a test
compares the table with the exports of the guest library, so that neither can drift.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LibraryKind = Literal["function", "action", "both", "property", "postlude"]

UNAVAILABLE_EXPORT = "lib_unavailable"


@dataclass(frozen=True, slots=True)
class LibraryFunction:
    """`domain` is None for operators; a property is read without a call (`event:attrs`).

    `parameters` are the names that named arguments use, in order. `export` names the function of
    the guest library that does the work. A postlude function is what a statement of the postlude
    calls (`schedule .. at`); written as an expression or an action it throws, as the reference's
    do. A function that is not `available` compiles, and throws when it is called: its export
    takes one argument, the full name (`"dido:send"`), in place of its own.
    """

    domain: str | None
    name: str
    parameters: tuple[str, ...]
    kind: LibraryKind
    export: str
    available: bool = True
    deprecated: str | None = None

    @property
    def full_name(self) -> str:
        """The name as KRL source writes it."""
        return self.name if self.domain is None else f"{self.domain}:{self.name}"


def _operator(name: str, *parameters: str, kind: LibraryKind = "function") -> LibraryFunction:
    return LibraryFunction(None, name, parameters, kind, f"lib_{name}")


def _member(
    domain: str,
    name: str,
    *parameters: str,
    kind: LibraryKind = "function",
    deprecated: str | None = None,
) -> LibraryFunction:
    export = f"lib_{domain}_{name}"
    return LibraryFunction(domain, name, parameters, kind, export, deprecated=deprecated)


def _action(domain: str, name: str, *parameters: str) -> LibraryFunction:
    return _member(domain, name, *parameters, kind="action")


def _properties(domain: str, names: str) -> Iterable[LibraryFunction]:
    return (_member(domain, name, kind="property") for name in names.split())


def _unavailable(domain: str, names: str) -> Iterable[LibraryFunction]:
    return (
        LibraryFunction(domain, name, (), "function", UNAVAILABLE_EXPORT, available=False)
        for name in names.split()
    )


_OPERATORS = (
    _operator("as", "val", "type"),
    _operator("isnull", "val"),
    _operator("typeof", "val"),
    _operator("klog", "val", "message"),
    _operator("sprintf", "val", "template"),
    _operator("defaultsTo", "val", "defaultVal", "message"),
    _operator("shiftRight", "left", "right"),
    _operator("shiftLeft", "left", "right"),
    _operator("band", "left", "right"),
    _operator("bor", "left", "right"),
    _operator("bxor", "left", "right"),
    _operator("bnot", "left"),
    _operator("chr", "val"),
    _operator("range", "val", "end"),
    _operator("capitalize", "val"),
    _operator("decode", "val"),
    _operator("encode", "val", "indent"),
    _operator("extract", "val", "regex"),
    _operator("lc", "val"),
    _operator("uc", "val"),
    _operator("match", "val", "regex"),
    _operator("ord", "val"),
    _operator("split", "val", "splitOn"),
    _operator("substr", "val", "start", "len"),
    _operator("trimLeading", "val"),
    _operator("trimTrailing", "val"),
    _operator("trim", "val"),
    _operator("startsWith", "val", "target"),
    _operator("endsWith", "val", "target"),
    _operator("contains", "val", "target"),
    _operator("replace", "val", "regex", "replacement"),
    _operator("all", "val", "iter"),
    _operator("notall", "val", "iter"),
    _operator("any", "val", "iter"),
    _operator("none", "val", "iter"),
    _operator("append", "val", "a", "b", "c", "d", "e"),
    _operator("collect", "val", "iter"),
    _operator("filter", "val", "iter"),
    _operator("map", "val", "iter"),
    _operator("head", "val"),
    _operator("tail", "val"),
    _operator("index", "val", "elm"),
    _operator("join", "val", "str"),
    _operator("length", "val"),
    _operator("isEmpty", "val"),
    _operator("pairwise", "val", "iter"),
    _operator("reduce", "val", "iter", "dflt"),
    _operator("reverse", "val"),
    _operator("slice", "val", "start", "end"),
    _operator("splice", "val", "start", "nElements", "value"),
    _operator("delete", "val", "path"),
    _operator("keys", "val", "path"),
    _operator("values", "val", "path"),
    _operator("intersection", "a", "b"),
    _operator("union", "a", "b"),
    _operator("difference", "a", "b"),
    _operator("has", "val", "other"),
    _operator("once", "val"),
    _operator("duplicates", "val"),
    _operator("unique", "val"),
    _operator("put", "val", "path", "toSet"),
    _operator("sort", "val", "sortBy"),
    _operator("get", "obj", "path"),
    _operator("set", "obj", "path", "val"),
    _operator("noop", kind="both"),
    _operator("send_directive", "name", "options", kind="action"),
)

_EVENT = (
    *_properties("event", "eci domain name attrs eid time"),
    _member("event", "attr", "name", deprecated="write event:attrs{key}"),
    _action("event", "send", "options", "host"),
)

_META = _properties(
    "meta",
    "eci host inEvent inQuery picoId rid ruleName rid_url rulesetURI txnId rulesetConfig",
)

_CTX = (
    *_properties(
        "ctx",
        "picoId rid rid_url rid_config rid_version rid_name rid_description rid_author"
        " parent children channels rulesets",
    ),
    _action("ctx", "newPico", "rulesets"),
    _action("ctx", "delPico", "eci"),
    _action("ctx", "newChannel", "tags", "eventPolicy", "queryPolicy"),
    _action("ctx", "putChannel", "eci", "tags", "eventPolicy", "queryPolicy"),
    _action("ctx", "upsertChannel", "tags", "eventPolicy", "queryPolicy"),
    _action("ctx", "delChannel", "eci"),
    _action("ctx", "install", "url", "config"),
    _action("ctx", "uninstall", "rid"),
    _action("ctx", "flush", "url"),
    _member("ctx", "raiseEvent", "domain", "name", "attrs", "forRid", kind="postlude"),
    _action("ctx", "event", "eci", "domain", "name", "attrs", "host"),
    _action("ctx", "eventQuery", "eci", "domain", "name", "attrs", "rid", "queryName", "args"),
    _member("ctx", "query", "eci", "rid", "name", "args"),
    _member("ctx", "logs"),
)

_HTTP_PARAMETERS = (
    "url",
    "qs",
    "headers",
    "body",
    "auth",
    "json",
    "form",
    "parseJSON",
    "autoraise",
    "autosend",
    "dontFollowRedirect",
)

_HTTP = (
    _member("http", "get", *_HTTP_PARAMETERS, kind="both"),
    _member("http", "head", *_HTTP_PARAMETERS, kind="both"),
    _action("http", "post", *_HTTP_PARAMETERS),
    _action("http", "put", *_HTTP_PARAMETERS),
    _action("http", "patch", *_HTTP_PARAMETERS),
    _action("http", "delete", *_HTTP_PARAMETERS),
)

_MATH = (
    _member("math", "base64encode", "str", "encoding"),
    _member("math", "base64decode", "str", "encoding"),
    _member("math", "hashAlgorithms", kind="property"),
    _member("math", "hashFunctions", deprecated="use math:hashAlgorithms"),
    _member("math", "hash", "algorithm", "str", "encoding"),
    _member("math", "hmac", "algorithm", "key", "message", "encoding"),
    _member("math", "abs", "number"),
    _member("math", "ceiling", "number", "precision"),
    _member("math", "floor", "number", "precision"),
    _member("math", "int", "number"),
    _member("math", "round", "number", "precision"),
)

_RANDOM = (
    _member("random", "uuid"),
    _member("random", "word"),
    _member("random", "integer", "upper", "lower"),
    _member("random", "number", "upper", "lower"),
)

_TIME = (
    _member("time", "now", "opts"),
    _member("time", "new", "date"),
    _member("time", "add", "date", "spec"),
    _member("time", "strftime", "date", "fmt"),
)

_SCHEDULE = (
    _member("schedule", "at", "time", "eci", "domain", "name", "attrs", kind="postlude"),
    _member("schedule", "repeat", "timespec", "eci", "domain", "name", "attrs", kind="postlude"),
    _member("schedule", "list"),
    _member("schedule", "get", "id"),
    _action("schedule", "remove", "id"),
    _action("schedule", "clear"),
)

_NOT_HERE_YET = (
    *_unavailable("ursa", "generateDID sig_data crypto_sign verify_signed_field unpack pack"),
    *_unavailable(
        "dido",
        "generateDID deleteDID updateDID rotateDID rotateInviteDID clearPendingRotations mapDid"
        " clearDidMap clearDidDocs storeDidDoc unpack pack addRoute route send prepareQuery"
        " sendQuery generateMessage createInviteUrl addLabelsToChannel",
    ),
)

TABLE: tuple[LibraryFunction, ...] = (
    *_OPERATORS,
    *_EVENT,
    *_META,
    *_CTX,
    *_HTTP,
    *_MATH,
    *_RANDOM,
    *_TIME,
    *_SCHEDULE,
    *_NOT_HERE_YET,
)

_STDLIB = "stdlib"  # another way to write the operators: stdlib:map(...)

_BY_NAME = {(function.domain, function.name): function for function in TABLE} | {
    (_STDLIB, function.name): function for function in _OPERATORS
}


def find(domain: str | None, name: str) -> LibraryFunction | None:
    """The function of that name, or None."""
    return _BY_NAME.get((domain, name))


def names(domain: str | None) -> list[str]:
    """All names of a domain (None: the operators), sorted; empty for an unknown domain."""
    return sorted(name for found_domain, name in _BY_NAME if found_domain == domain)


def domains() -> list[str]:
    """The built-in domains, sorted."""
    return sorted({domain for domain, _ in _BY_NAME if domain is not None})


def has_name(name: str) -> bool:
    """Whether the library has a function, or an infix operator, of this name."""
    return find(None, name) is not None or name in ("like", "cmp")

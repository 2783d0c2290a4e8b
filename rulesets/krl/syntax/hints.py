"""What to do about a mistake where the grammar function that met it has nothing better to say.

Every error says what to do. Most know better than this page, from what stands around them; here is
what can be said by the title alone, and by the token that was found instead.
"""

from __future__ import annotations

# By what was expected, or the title; the longest beginning that fits is taken.
_BY_TITLE = {
    "expected an action": "an action is a call, send_directive(...), or module:action(...)",
    "expected an action after `then`": "write one action, or every { ... } for several",
    "expected a part of the rule": "the parts are select, foreach, pre, actions, and a postlude",
    "expected a part of the ruleset": "the parts are meta, global and rules, in this order",
    "expected a postlude statement": "such as ent:name := value, raise ..., log ..., name = value",
    "expected a declaration": "a declaration is written name = value",
    "expected a meta property": "such as name, description, use, shares, provides, configure",
    "expected `on` or `off`": "write logging on, or leave it out",
    "expected a string after `version`": "a version is a string, and belongs in meta",
    "expected an event": "an event is written domain type, or domain:type",
    "expected a whole number": "write the number itself, such as 3",
    "expected a name": "a name is letters, digits, `_` and `$`, and begins with no digit",
    "expected the rule's name": "a rule is written rule name { ... }",
    "expected a string as the key": 'a key stands in double quotes: {"key": value}',
    "expected `|`": "a choice has two ends: condition => consequent | alternate",
    "expected `:=`": "an entity variable is set with ent:name := value",
    "expected `at` or `repeat`": 'write schedule domain event "type" at time, or repeat timespec',
    "expected `event`": 'write raise domain event "type", or raise event "domain:type"',
    "expected `(`": "arguments, parameters and lists of names stand in parentheses",
    "expected `{`": "a block stands in braces",
    "expected `when`": "a rule reacts to select when domain type",
    "expected `then`": "a condition is written if condition then action",
    "expected `setting`": "the names are given by setting(name, ...)",
    "expected the end of the expression": "remove what is left over, or put an operator before it",
    "missing `{`": "add the `{`",
    "missing `}`": "add a `}` where the block ends, or remove a `{` that is one too many",
    "missing `pre`": "write pre before the `{`",
    "a ruleset identifier cannot end": "remove what is too many, or add the word that is missing",
    "a function ends with its result": "leave one expression at the end; name the others",
    "function without a result": "add the expression, or null",
    "reserved word as a name": "use another name",
    "action in a postlude": "move it before the postlude, or raise an event for it",
    "unknown meta property": "leave it out; what it says can go into the description",
    "second ": "join them, or split the rule in two",
    "meta property not supported": "leave it out",
    "expected a level": "such as log info value",
    "expected a domain or `event`": 'write raise domain event "type", or raise event "domain:type"',
    "invalid regular expression": "patterns are JavaScript's; a `\\` makes the sign after it plain",
    "regular expression with a flag twice": "write each flag once",
    "unterminated ": "close it, or remove the opening",
}

_BY_FOUND = {
    ")": "a value is missing before the `)`, or the `)` is one too many",
    "]": "a value is missing before the `]`, or the `]` is one too many",
    "}": "a value is missing before the `}`, or the `}` is one too many",
    ",": "a value is missing before the `,`, or the `,` is one too many",
    ";": "a value is missing before the `;`",
    ":": "a name with a domain is written domain:name",
    ".": "a number begins with a digit or a dot and a digit",
}

_CLOSING = {"`)`": "parenthesis", "`]`": "bracket", "`}`": "brace"}


def hint_for(title: str, kind: str, text: str) -> str:
    """A hint for an error of this title at a token of this kind and text."""
    if kind == "end" and title.startswith("expected"):
        return "the text ends too early: is something missing, or a bracket or quote left open?"
    if title == "expected an expression":
        return _BY_FOUND.get(text, "a value belongs here: a name, a literal, a call, parentheses")
    fitting = [known for known in _BY_TITLE if title.startswith(known)]
    if fitting:
        return _BY_TITLE[max(fitting, key=len)]
    if " after " in title:
        return "move it to its place"
    wanted = title.removeprefix("expected ")
    for close, name in _CLOSING.items():
        if wanted.endswith(close):
            return f"add the closing {name}, or what is missing before it"
    return f"write {wanted} here" if wanted != title else "correct it, or leave it out"

"""Characters that no keyboard has: texts hold them all, names hold none, and nothing crashes."""

from __future__ import annotations

import pytest

from krl.compiler import compile_source
from krl.diagnostic import Source, render

IN_TEXTS = """
ruleset a {
  meta { name "@" description <<@>> shares f use module m alias n with q = "@" }
  global {
    x = "@" y = <<@ #{x}>> z = re#@# m = {"@": 1} // @
    f = function(a) { a{"@"} + event:attrs{"@"} }
  }
  rule r {
    select when a b x re#@# where event:attrs{"@"} == "@" /* @ */
    send_directive("@", {"@": "@"})
    fired {
      ent:x{"@"} := "@"
      raise a event "@" attributes {"@": 1}
      log info "@"
    }
  }
}
"""


@pytest.mark.parametrize(
    "character",
    ["\udce9", "\ud800", "\ufffd", "\ue000", "\U0001f600", "\x00", "\x01", "\x7f", "\u2028"],
    ids=ascii,
)
def test_a_character_of_any_kind_may_stand_in_texts_and_comments(character: str) -> None:
    source = Source("a.krl", IN_TEXTS.replace("@", character).replace(f"// {character}", ""))
    assert compile_source(source).module is not None


@pytest.mark.parametrize("character", ["\udce9", "\ud800", "\ufffd", "\x00", "\x7f"], ids=ascii)
def test_one_in_a_name_is_an_error_that_says_what_to_do(character: str) -> None:
    source = Source("a.krl", f"ruleset a{character} {{ rule {character} {{ }} }}")
    compilation = compile_source(source)
    errors = [item for item in compilation.diagnostics if item.severity == "error"]
    assert errors and all(item.hint and render(item, source) for item in errors)

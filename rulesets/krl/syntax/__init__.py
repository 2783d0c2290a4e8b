"""The first pass: from a ruleset's text to its tree (`krl.syntax.tree`)."""

from krl.syntax.parser import parse, parse_expression

__all__ = ["parse", "parse_expression"]

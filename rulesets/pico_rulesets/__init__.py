"""Rulesets that ship with picomesh, in KRL."""

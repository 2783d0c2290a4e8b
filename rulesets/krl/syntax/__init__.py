"""The first pass: from a ruleset's text to its tree. The entry is `krl.syntax.parser.parse`.

Nothing is imported here: `krl.diagnostic` needs `krl.syntax.tree`, and the parser needs both.
"""

"""From a home of the reference engine to picos of this one, in the order of the files' use.

`files` reads what lies in the home, `charwise` its keys, `origin` makes picos of it, `rulesets`
finds and compiles their rulesets, `bring` carries everything out as transitions, and `report` says
what came of each part.
"""

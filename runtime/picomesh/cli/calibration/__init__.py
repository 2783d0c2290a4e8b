"""How long a unit of fuel takes: for each kind of instruction, for rulesets, for the worst mix.

`workloads` makes modules that do one kind of instruction many times, `measure` runs them, `fit`
turns times into prices, `adversary` looks for mixes that are priced too low, `rulesets` measures
events. Nothing here decides a price: those are frozen with the profile.
"""

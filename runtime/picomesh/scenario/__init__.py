"""Recorded cases, run on a pico of their own with a virtual clock.

The case format is the one that recordings of the reference engine use, so that what both answer
can be compared step by step. Nothing here is needed to run an engine.
"""

from picomesh.scenario.case import run_case
from picomesh.scenario.shape import BadCase

__all__ = ["BadCase", "run_case"]

"""A host of many picos: accepts events, runs transitions, keeps receipts, checks histories."""

from picomesh.engine.engine import Engine, Options, Response
from picomesh.engine.errors import OperatorError, QueryFailed

__all__ = ["Engine", "OperatorError", "Options", "QueryFailed", "Response"]

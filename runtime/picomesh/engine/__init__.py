"""A host of many picos: accepts events, runs transitions, keeps receipts, checks histories."""

from picomesh.engine.engine import Engine, Response
from picomesh.engine.errors import OperatorError, QueryFailed
from picomesh.engine.options import Options

__all__ = ["Engine", "OperatorError", "Options", "QueryFailed", "Response"]

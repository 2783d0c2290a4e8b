"""Pass 3: from the tree to a small language in which everything KRL implies is written out."""

from krl.lower.lower import lower

__all__ = ["lower"]

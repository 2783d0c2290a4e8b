"""Pass 5: the compiled functions behind the guest library, as one module; what is unused goes."""

from krl.link.link import link

__all__ = ["link"]

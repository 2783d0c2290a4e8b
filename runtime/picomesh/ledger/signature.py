"""Ed25519, the only place that names the signature library (docs/formats/receipt.md §3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from nacl.bindings import crypto_sign, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, held as its 32-byte seed and as the library wants it."""

    seed: bytes
    public_key: bytes = field(init=False, compare=False)
    _secret: bytes = field(init=False, compare=False)

    def __post_init__(self) -> None:
        public, secret = crypto_sign_seed_keypair(self.seed)
        object.__setattr__(self, "public_key", bytes(public))
        object.__setattr__(self, "_secret", bytes(secret))

    def sign(self, domain: bytes, message: bytes) -> bytes:
        """Signs a message of one kind; the domain keeps kinds apart."""
        return bytes(crypto_sign(domain + b"\n" + message, self._secret)[:SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key.hex()})"


@lru_cache(maxsize=4096)  # one signature stands for all envelopes of its batch
def is_signed(public_key: bytes, domain: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key signed this message as one of this kind."""
    try:
        VerifyKey(public_key).verify(domain + b"\n" + message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True

"""Ed25519, the only place that names the signature library (docs/formats/receipt.md §3)."""

from __future__ import annotations

from dataclasses import dataclass

from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, held as its 32-byte seed."""

    seed: bytes

    @property
    def public_key(self) -> bytes:
        return bytes(SigningKey(self.seed).verify_key)

    def sign(self, domain: bytes, message: bytes) -> bytes:
        """Signs a message of one kind; the domain keeps kinds apart."""
        return bytes(SigningKey(self.seed).sign(domain + b"\n" + message).signature)

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key.hex()})"


def is_signed(public_key: bytes, domain: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this key signed this message as one of this kind."""
    try:
        VerifyKey(public_key).verify(domain + b"\n" + message, signature)
    except (BadSignatureError, ValueError):
        return False
    return True

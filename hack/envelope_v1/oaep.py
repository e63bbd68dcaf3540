"""RSAES-OAEP (RFC 8017, section 7.1.1) with a given seed: vectors are reproducible, and `cryptography` has no such function."""

import functools
import hashlib

from cryptography.hazmat.primitives import serialization


def mgf1(seed, count, digest):
    output, counter = b"", 0
    while len(output) < count:
        output += hashlib.new(digest, seed + counter.to_bytes(4, "big")).digest()
        counter += 1
    return output[:count]


def encrypt(public_key, message, random, label=b"", digest="sha256"):
    """Encrypts with the hash for the label and for MGF1. `random` returns the seed."""
    numbers = public_key.public_numbers()
    count, hashed = (numbers.n.bit_length() + 7) // 8, hashlib.new(digest, label).digest()
    block = hashed + b"\0" * (count - len(message) - 2 * len(hashed) - 2) + b"\1" + message
    seed = random(len(hashed))
    masked = xor(block, mgf1(seed, len(block), digest))
    encoded = b"\0" + xor(seed, mgf1(masked, len(seed), digest)) + masked
    return pow(int.from_bytes(encoded, "big"), numbers.e, numbers.n).to_bytes(count, "big")


def xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


@functools.cache
def load(pem):
    """Loads a private key. OpenSSL checks its primes, which takes longer than everything that a vector does with it."""
    return serialization.load_pem_private_key(pem.encode(), None)


def public_pem(private_key):
    return private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()

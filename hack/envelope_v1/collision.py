"""One AES-GCM ciphertext that authenticates under two keys (Grubbs, Lu, Ristenpart, "Message Franking via
Committing Authenticated Encryption", 2017). GCM commits to no key; the envelope's MAC must."""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

R = 0xE1 << 120


def multiply(x, y):
    """Multiplies in GF(2^128) with GCM's bit order: the leftmost bit is the coefficient of x^0."""
    product = 0
    for bit in range(127, -1, -1):
        if x >> bit & 1:
            product ^= y
        y = y >> 1 ^ R if y & 1 else y >> 1
    return product


def power(x, exponent):
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = multiply(result, x)
        x = multiply(x, x)
        exponent >>= 1
    return result


def inverse(x):
    return power(x, 2**128 - 2)


def block(key, data):
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return int.from_bytes(encryptor.update(data) + encryptor.finalize(), "big")


def blocks(data):
    return [int.from_bytes(data[i : i + 16].ljust(16, b"\0"), "big") for i in range(0, len(data), 16)]


def ghash(key, words):
    h = block(key, bytes(16))
    total = 0
    for word in words:
        total = multiply(total ^ word, h)
    return total


def two_key_ciphertext(first_key, second_key, nonce, associated_data, first_plaintext):
    """Returns nonce ‖ ciphertext ‖ tag that opens under both keys. Under `first_key` its first block is
    `first_plaintext` (16 bytes); the second block makes both tags equal."""
    counter = nonce + b"\0\0\0\2"
    first_block = int.from_bytes(first_plaintext, "big") ^ block(first_key, counter)
    lengths = (len(associated_data) * 8) << 64 | (2 * 128)

    def tag(key, second_block):
        words = blocks(associated_data) + [first_block, second_block, lengths]
        return ghash(key, words) ^ block(key, nonce + b"\0\0\0\1")

    # GHASH is linear: tag(key, c) = tag(key, 0) + c * H^2, since only the length block follows c.
    difference = tag(first_key, 0) ^ tag(second_key, 0)
    squares = power(block(first_key, bytes(16)), 2) ^ power(block(second_key, bytes(16)), 2)
    second_block = multiply(difference, inverse(squares))
    sealed = nonce + b"".join(
        word.to_bytes(16, "big") for word in (first_block, second_block, tag(first_key, second_block))
    )
    for key in (first_key, second_key):
        AESGCM(key).decrypt(nonce, sealed[12:], associated_data)
    return sealed

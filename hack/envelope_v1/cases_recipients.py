"""The choice of the recipient, and forged recipients, which have no effect."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .collision import two_key_ciphertext
from .envelope import b64, binding, compute_mac
from .making import MASTER, PREVIOUS, STRANGER, VALUES, VAULT, Made, Stream, flipped, opens, refused

BOTH = (MASTER, PREVIOUS)


def recipients():
    made = Made("recipients")
    ours, foreign = made.recipients[0], made.recipient(STRANGER)
    yield opens("foreign-first", "", made.spec(recipients=[VAULT, ours]), VALUES)
    yield opens("foreign-last", "", made.spec(recipients=[ours, VAULT]), VALUES)
    yield opens("foreign-around", "", made.spec(recipients=[foreign, ours, VAULT]), VALUES)
    yield opens(
        "previous-master",
        "wrapped before the master changed",
        made.spec(),
        VALUES,
        masters=(PREVIOUS, MASTER),
    )
    yield opens("unused-previous-master", "", made.spec(), VALUES, masters=BOTH)
    yield refused("foreign-only", "", "noUsableRecipient", made.spec(recipients=[VAULT]))
    yield refused("other-master-only", "", "noUsableRecipient", made.spec(recipients=[foreign]))
    yield refused("two-foreign", "", "noUsableRecipient", made.spec(recipients=[foreign, VAULT]))
    upper = {"keyID": "local:" + ours["keyID"][6:].upper(), "wrappedKey": ours["wrappedKey"]}
    yield refused(
        "our-keyid-in-upper-case", "compared as bytes", "noUsableRecipient", made.spec(recipients=[upper])
    )
    longer = {"keyID": ours["keyID"] + "0", "wrappedKey": ours["wrappedKey"]}
    yield refused(
        "our-keyid-extended", "not a prefix match", "noUsableRecipient", made.spec(recipients=[longer])
    )
    shorter = {"keyID": ours["keyID"][:-1], "wrappedKey": ours["wrappedKey"]}
    yield refused("our-keyid-truncated", "", "noUsableRecipient", made.spec(recipients=[shorter]))
    stolen = {"keyID": ours["keyID"], "wrappedKey": foreign["wrappedKey"]}
    yield refused(
        "wrapped-by-another-master",
        "our keyID over another's bytes",
        "decryptFailed",
        made.spec(recipients=[stolen]),
    )


def forged():
    made = Made("forged", masters=BOTH)
    current, previous = made.recipients
    garbage = {
        "wrong-tag": b64(flipped(Stream("garbage")(60), 3)),
        "other-place": made.recipient(PREVIOUS, bound=binding("strict", "other", "db"))["wrappedKey"],
        "other-data-key": made.recipient(PREVIOUS, data_key=Stream("other key")(32))["wrappedKey"],
        "31-byte-key": made.recipient(PREVIOUS, data_key=Stream("31")(31))["wrappedKey"],
        "33-byte-key": made.recipient(PREVIOUS, data_key=Stream("33")(33))["wrappedKey"],
        "too-short": b64(Stream("short")(27)),
        "not-base64": "*" * 80,
    }
    for name, wrapped in garbage.items():
        bad = {"keyID": previous["keyID"], "wrappedKey": wrapped}
        yield opens(
            f"forged-first-{name}",
            "the next one serves",
            made.spec(recipients=[bad, current]),
            VALUES,
            masters=BOTH,
        )
        yield opens(f"forged-last-{name}", "", made.spec(recipients=[current, bad]), VALUES, masters=BOTH)
        expect = "integrityFailed" if name == "other-data-key" else "decryptFailed"
        yield refused(f"forged-alone-{name}", "", expect, made.spec(recipients=[bad]), masters=BOTH)


def spelling():
    """A malformed wrapped key fails its recipient, not the envelope: its format is the backend's."""
    made = Made("wrapped key spelling", masters=BOTH)
    current, previous = made.recipients
    text = current["wrappedKey"]
    # 60 bytes need no padding, so no second base64 text exists; these are other defects.
    for name, bad in {
        "over-padded": text + "====",
        "short": text[:-1],
        "url-alphabet": "-_-_" + text[4:],
        "padding-inside": text[:4] + "AA==" + text[8:],
        "vault-form": "vault:v1:" + text,
    }.items():
        forged = {"keyID": current["keyID"], "wrappedKey": bad}
        yield refused(f"wrapped-key-{name}", "", "decryptFailed", made.spec(recipients=[forged]))
        yield opens(
            f"wrapped-key-{name}-then-good",
            "",
            made.spec(recipients=[forged, previous]),
            VALUES,
            masters=BOTH,
        )


def data_key_lengths():
    for count in (0, 16, 24, 31, 33, 64):
        made = Made(f"data key of {count}")
        recipient = made.recipient(MASTER, data_key=Stream(f"key {count}")(count))
        made.data_key = Stream(f"key {count}")(count)
        yield refused(
            f"data-key-of-{count}-bytes",
            "the MAC is made with that key, so the length alone refuses it",
            "decryptFailed",
            made.spec(recipients=[recipient]),
        )

    made = Made("zero appended")
    recipient = made.recipient(MASTER, data_key=made.data_key + b"\0")
    yield refused(
        "data-key-with-zero-appended",
        "HMAC pads its key with zeroes, so the MAC does verify",
        "decryptFailed",
        made.spec(recipients=[recipient]),
    )
    made = Made("zero removed", {})
    made.data_key = made.data_key[:31] + b"\0"
    recipient = made.recipient(MASTER, data_key=made.data_key[:31])
    yield refused(
        "data-key-with-zero-removed", "as above", "decryptFailed", made.spec(recipients=[recipient])
    )


def commitment():
    """Uses two data keys that decrypt the same GCM ciphertext."""
    first, second = Stream("first data key")(32), Stream("second data key")(32)
    made = Made("commitment", {}, masters=())
    bound = made.bound
    sealed = two_key_ciphertext(first, second, made.random(12), bound + b"\0password", b"pay 10 to alice!")
    made.sealed = {"password": sealed}

    def plaintext(key):
        return {"password": AESGCM(key).decrypt(sealed[:12], sealed[12:], bound + b"\0password")}

    assert plaintext(first) != plaintext(second)
    mac_first, mac_second = (b64(compute_mac(key, bound, made.sealed)) for key in (first, second))
    with_first = made.recipient(MASTER, data_key=first)
    with_second = made.recipient(MASTER, data_key=second)
    previous_second = made.recipient(PREVIOUS, data_key=second)
    yield opens(
        "first-key",
        "the ciphertext does open under the first key",
        made.spec(recipients=[with_first], mac=mac_first),
        plaintext(first),
    )
    yield opens(
        "second-key",
        "and under the second",
        made.spec(recipients=[with_second], mac=mac_second),
        plaintext(second),
    )
    yield refused(
        "second-key-mac-of-first",
        "what GCM alone would have opened",
        "integrityFailed",
        made.spec(recipients=[with_second], mac=mac_first),
    )
    yield refused(
        "first-key-mac-of-second", "", "integrityFailed", made.spec(recipients=[with_first], mac=mac_second)
    )
    yield opens(
        "both-keys-second-first",
        "every reader sees the value the MAC commits to",
        made.spec(recipients=[previous_second, with_first], mac=mac_first),
        plaintext(first),
        masters=BOTH,
    )
    yield opens(
        "both-keys-first-first",
        "",
        made.spec(recipients=[with_first, previous_second], mac=mac_first),
        plaintext(first),
        masters=BOTH,
    )
    yield refused(
        "both-keys-reader-of-second",
        "the second reader is refused, not shown another value",
        "integrityFailed",
        made.spec(recipients=[with_first, previous_second], mac=mac_first),
        masters=(PREVIOUS,),
    )

"""Fields that are missing, malformed, or from another format."""

from .envelope import b64
from .making import MASTER, VALUES, VAULT, Made, opens, refused

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


def non_canonical(text):
    """Returns another base64 text of the same bytes, with bits set that the padding drops."""
    stem = text.rstrip("=")
    assert stem != text
    return stem[:-1] + ALPHABET[ALPHABET.index(stem[-1]) + 1] + text[len(stem) :]


SPELLINGS = {
    "non-canonical": non_canonical,
    "unpadded": lambda text: text.rstrip("="),
    "over-padded": lambda text: text + "====",
    "short-padding": lambda text: text[:-1],
    "trailing-newline": lambda text: text + "\n",
    "line-break": lambda text: text[:8] + "\r\n" + text[8:],
    "leading-space": lambda text: " " + text,
    "url-alphabet": lambda text: "-_-_" + text[4:],
    "junk": lambda text: "*" + text[1:],
    "padding-inside": lambda text: text[:4] + "AA==" + text[8:],
    "non-ascii": lambda text: "é" + text[1:],
    "nul": lambda text: "\0" + text[1:],
}


def spelling():
    for name, spell in SPELLINGS.items():
        made = Made(f"spelling {name}", {"x": b"1234567"})  # 35 bytes: one padding character, as in the MAC
        spec = made.spec()
        yield refused(f"mac-{name}", "", "invalidSpec", made.spec(mac=spell(spec["mac"])))
        yield refused(f"value-{name}", "", "invalidSpec", made.spec(data={"x": spell(spec["data"]["x"])}))
    made = Made("two pads", {"x": b"123456"})
    text = made.spec()["data"]["x"]
    assert text.endswith("==")
    yield refused(
        "value-non-canonical-two-pads", "", "invalidSpec", made.spec(data={"x": non_canonical(text)})
    )
    yield refused("empty-value-text", "an empty text is no value", "invalidSpec", made.spec(data={"x": ""}))


def fields():
    made = Made("fields")
    for name in ("v2", "v0", "v10", "v1beta1", "V1", "v1 ", "1", "v1\0", "ｖ1"):
        label = name.encode("unicode_escape").decode().replace("\\", "").replace(" ", "space")
        yield refused(f"format-{label}", "", "unsupportedFormat", made.spec(format=name))
    yield refused(
        "format-v2-unlike-v1",
        "the format decides before anything else is looked at",
        "unsupportedFormat",
        {"format": "v2", "scope": "galaxy", "recipients": [], "mac": "?", "data": {"..": "?"}},
    )
    for name in ("Strict", "strict ", "global", "", "strict\0"):
        label = name.encode("unicode_escape").decode().replace("\\", "").replace(" ", "space") or "empty"
        yield refused(f"scope-{label}", "", "invalidSpec", made.spec(scope=name))
    yield refused("no-scope", "never defaulted", "invalidSpec", made.spec(scope=None))
    yield refused("no-mac", "", "invalidSpec", made.spec(mac=None))
    yield refused("no-recipients-field", "", "invalidSpec", made.spec(recipients=None))
    yield refused("empty-recipients", "", "invalidSpec", made.spec(recipients=[]))


BAD_NAMESPACES = [
    "",
    "Payments",
    "pay.ments",
    "-payments",
    "payments-",
    "a" * 64,
    "pay ments",
    "zahlungé",
    "a\0b",
    "a_b",
]
BAD_NAMES = ["", "Db", "-db", "db-", "a..b", ".db", "db.", "a" * 254, "d b", "dbé", "a\0b", "a_b", "a/b"]


def places():
    label, longest = "a" * 63, ".".join(["a" * 61] * 4 + ["bcdef"])
    assert len(longest) == 253
    place = {"namespace": label, "secretName": longest}
    made = Made("longest", namespace=label, name=longest)
    yield opens("longest-namespace-and-name", "63 and 253 bytes", made.spec(), VALUES, place)
    place = {"namespace": "0", "secretName": "0.a-b.9"}
    made = Made("digits", namespace="0", name="0.a-b.9")
    yield opens("digits-and-dots", "", made.spec(), VALUES, place)
    for scope in ("strict", "cluster"):
        for number, bad in enumerate(BAD_NAMESPACES):
            made = Made("bad place", scope=scope, namespace=bad)
            yield refused(
                f"{scope}-bad-namespace-{number}",
                "checked in every scope",
                "invalidSpec",
                made.spec(),
                {"namespace": bad, "secretName": "db"},
            )
        for number, bad in enumerate(BAD_NAMES):
            made = Made("bad place", scope=scope, name=bad)
            yield refused(
                f"{scope}-bad-name-{number}",
                "checked in every scope",
                "invalidSpec",
                made.spec(),
                {"namespace": "payments", "secretName": bad},
            )


def key_ids():
    made = Made("key ids")
    ours = made.recipients[0]

    def with_foreign(key_id, wrapped_key=VAULT["wrappedKey"]):
        return made.spec(recipients=[ours, {"keyID": key_id, "wrappedKey": wrapped_key}])

    yield opens("keyid-of-512-bytes", "", with_foreign("aws-kms:" + "k" * 504), VALUES)
    yield opens("wrapped-key-of-8192-bytes", "", with_foreign("aws-kms:k", "A" * 8192), VALUES)
    yield refused("keyid-of-513-bytes", "", "invalidSpec", with_foreign("aws-kms:" + "k" * 505))
    yield refused("wrapped-key-of-8193-bytes", "", "invalidSpec", with_foreign("aws-kms:k", "A" * 8193))
    for name, bad in {
        "newline": "aws-kms:a\nb",
        "nul": "aws-kms:a\0",
        "delete": "aws-kms:a\x7f",
        "non-ascii": "aws-kms:é",
        "empty": "",
    }.items():
        yield refused(f"keyid-{name}", "printable ASCII is required", "invalidSpec", with_foreign(bad))
    yield refused(
        "duplicate-keyid", "the same recipient twice", "invalidSpec", made.spec(recipients=[ours, ours])
    )
    again = made.recipient(MASTER)
    yield refused("duplicate-keyid-other-bytes", "", "invalidSpec", made.spec(recipients=[ours, again]))
    yield refused("duplicate-foreign-keyid", "", "invalidSpec", made.spec(recipients=[VAULT, ours, VAULT]))
    foreign = [{"keyID": f"gcp-kms:k{i}", "wrappedKey": b64(bytes(60))} for i in range(9)]
    yield opens("eight-recipients", "ours last", made.spec(recipients=foreign[:7] + [ours]), VALUES)
    yield refused("nine-recipients", "", "invalidSpec", made.spec(recipients=foreign[:8] + [ours]))

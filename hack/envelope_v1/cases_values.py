"""Valid and invalid values and entry names."""

from .envelope import b64
from .making import Made, Stream, opens, refused


def values():
    def sealed(name, comment, values):
        return opens(name, comment, Made(name, values).spec(), values)

    yield sealed("one-entry", "the usual case", {"password": b"hunter2"})
    yield sealed("two-entries", "a set", {"password": b"hunter2", "user": b"app"})
    yield sealed("many-entries", "", {f"key-{i:02}": Stream(f"many {i}")(i) for i in range(40)})
    yield sealed("empty-value", "28 bytes: nonce and tag", {"empty": b""})
    yield sealed("one-byte-value", "", {"x": b"\0"})
    yield sealed("binary-value", "every byte", {"blob": bytes(range(256))})
    yield sealed(
        "block-sizes", "around AES blocks", {f"n{n}": Stream("b")(n) for n in (15, 16, 17, 31, 32, 33)}
    )
    yield sealed("not-utf8-value", "", {"x": b"\xff\xfe\xc3\x28"})
    yield sealed("newline-value", "white space is kept", {"x": b"line\r\n\n\t "})
    yield sealed("4-kib-value", "", {"big": Stream("4 KiB")(4096)})
    yield opens("empty-data", "an empty map", Made("empty-data", {}).spec(), {})
    yield opens(
        "absent-data", "no map: the same as an empty one", Made("absent-data", {}).spec(data=None), {}
    )
    yield opens("empty-and-absent-data-are-one", "same MAC", Made("empty-data", {}).spec(data=None), {})


ORDER = ["-", "-a", ".a", "0", "9", "A", "B", "Z", "_", "_a", "a", "a-b", "a.b", "a0", "aB", "a_b", "aa", "b"]
BAD_ENTRIES = {
    "nul": "pass\0word",
    "nul-alone": "\0",
    "trailing-nul": "password\0",
    "non-ascii": "passwörd",
    "combining-accent": "e\u0301",
    "precomposed-accent": "\u00e9",
    "full-width": "\uff41",
    "dot": ".",
    "dot-dot": "..",
    "leading-dot-dot": "..data",
    "three-dots": "...",
    "empty": "",
    "254-bytes": "a" * 254,
    "slash": "a/b",
    "path": "../../etc/passwd",
    "space": "a b",
    "trailing-newline": "password\n",
    "delete": "a\x7f",
    "equals": "a=b",
    "colon": "a:b",
}


def entries():
    def sealed(name, comment, names):
        values = {entry: f"value of {entry[:20]}".encode() for entry in names}
        return opens(name, comment, Made(name, values).spec(), values)

    yield sealed(
        "byte-order", "entries enter the MAC in byte order: '-' '.' digits upper-case '_' lower-case", ORDER
    )
    yield sealed("byte-order-given-backwards", "the order in the file means nothing", ORDER[::-1])
    yield sealed("prefixes", "a name that begins with another", ["a", "aa", "a.", "a-", "aaa", "a_"])
    yield sealed("case-matters", "", ["key", "Key", "KEY"])
    yield sealed("253-bytes", "the longest name", ["a" * 253])
    yield sealed("single-punctuation", "", ["-", "_"])
    yield sealed("leading-dot", "one dot may lead", [".dockerconfigjson", ".a..b", ".-"])
    yield sealed("inner-dots", "", ["a..b", "a.", "a.."])
    for name, entry in BAD_ENTRIES.items():
        made = Made(f"bad entry {name}", {entry: b"value"})
        yield refused(
            f"bad-entry-{name}",
            "sealed correctly under a name that is not allowed",
            "invalidSpec",
            made.spec(),
        )
    made = Made("one bad among good", {"good": b"1", "..bad": b"2"})
    yield refused("bad-entry-among-good", "all or nothing", "invalidSpec", made.spec())


def lengths():
    for count in (0, 1, 12, 16, 27):
        made = Made(f"short value {count}", {"x": b""})
        made.sealed["x"] = made.sealed["x"][:count]
        yield refused(f"value-of-{count}-bytes", "the MAC is right", "invalidSpec", made.spec())
    for count in (0, 31, 33, 64):
        made = Made(f"mac length {count}")
        mac = (made.mac() * 2)[:count]
        yield refused(f"mac-of-{count}-bytes", "", "invalidSpec", made.spec(mac=b64(mac)))

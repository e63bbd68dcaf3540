"""Copies to another place, and combinations of parts of different envelopes."""

from .envelope import b64, binding
from .making import MASTER, VALUES, Made, flipped, opens, refused

ELSEWHERE = {
    "namespace": {"namespace": "other", "secretName": "db"},
    "name": {"namespace": "payments", "secretName": "web"},
}


def places():
    for scope in ("strict", "namespace", "cluster"):
        made = Made(f"place {scope}", scope=scope)
        yield opens(f"{scope}", "where it was made for", made.spec(), VALUES)
        for what, place in ELSEWHERE.items():
            travels = scope == "cluster" or (scope == "namespace" and what == "name")
            if travels:
                yield opens(
                    f"{scope}-in-another-{what}", "this scope may travel so far", made.spec(), VALUES, place
                )
                continue
            yield refused(
                f"{scope}-in-another-{what}", "the wrapped key is bound", "decryptFailed", made.spec(), place
            )
            # Possible with a KMS without an encryption context, or for a holder of the data key.
            bound = binding(scope, place["namespace"], place["secretName"])
            moved = [made.recipient(MASTER, bound=bound)]
            yield refused(
                f"{scope}-in-another-{what}-rewrapped",
                "the MAC is bound",
                "integrityFailed",
                made.spec(recipients=moved),
                place,
            )
            forged = Made(f"place {scope}", scope=scope)
            forged.bound = bound
            yield refused(
                f"{scope}-in-another-{what}-rewrapped-new-mac",
                "each value is bound",
                "decryptFailed",
                forged.spec(recipients=moved),
                place,
            )
        for other in ("strict", "namespace", "cluster"):
            if other == scope:
                continue
            yield refused(f"{scope}-relabelled-{other}", "", "decryptFailed", made.spec(scope=other))
            moved = [made.recipient(MASTER, bound=binding(other, "payments", "db"))]
            yield refused(
                f"{scope}-relabelled-{other}-rewrapped",
                "",
                "integrityFailed",
                made.spec(scope=other, recipients=moved),
            )


def sets():
    made = Made("sets")
    spec = made.spec()
    data, mac = spec["data"], made.mac()
    one = dict(list(data.items())[:1])
    yield opens("untouched", "", spec, VALUES)
    renamed = {"passwd": data["password"], "user": data["user"]}
    yield refused("entry-renamed", "", "integrityFailed", made.spec(data=renamed))
    swapped = {"password": data["user"], "user": data["password"]}
    yield refused("entries-swapped", "", "integrityFailed", made.spec(data=swapped))
    yield refused("entry-dropped", "", "integrityFailed", made.spec(data=one))
    yield refused("all-entries-dropped", "", "integrityFailed", made.spec(data={}))
    yield refused("data-dropped", "", "integrityFailed", made.spec(data=None))
    extra = made.seal("extra", b"new")
    yield refused(
        "entry-added",
        "sealed under the same key",
        "integrityFailed",
        made.spec(data=data | {"extra": b64(extra)}),
    )
    yield refused("entry-duplicated", "", "integrityFailed", made.spec(data=data | {"copy": data["user"]}))
    yield refused(
        "entry-in-other-case",
        "",
        "integrityFailed",
        made.spec(data={"Password": data["password"], "user": data["user"]}),
    )
    yield refused("mac-flipped-first-bit", "", "integrityFailed", made.spec(mac=b64(flipped(mac, 0))))
    yield refused("mac-flipped-last-byte", "", "integrityFailed", made.spec(mac=b64(flipped(mac, 31))))
    yield refused("mac-zero", "", "integrityFailed", made.spec(mac=b64(bytes(32))))
    sealed = made.sealed["password"]
    for name, bad in {
        "nonce-flipped": flipped(sealed, 0),
        "ciphertext-flipped": flipped(sealed, 14),
        "tag-flipped": flipped(sealed, -1 % len(sealed)),
        "value-truncated": sealed[:-1],
        "value-extended": sealed + b"\0",
    }.items():
        yield refused(name, "", "integrityFailed", made.spec(data=data | {"password": b64(bad)}))
        forged = Made("sets")
        forged.sealed["password"] = bad
        yield refused(
            f"{name}-new-mac", "the MAC was made over the damaged value", "decryptFailed", forged.spec()
        )
    forged = Made("sets")
    forged.sealed = {"passwd": made.sealed["password"], "user": made.sealed["user"]}
    yield refused("entry-renamed-new-mac", "the tag binds the name too", "decryptFailed", forged.spec())
    forged = Made("sets")
    forged.sealed = {"password": made.sealed["user"], "user": made.sealed["password"]}
    yield refused("entries-swapped-new-mac", "", "decryptFailed", forged.spec())


def splices():
    old, new = Made("revision 1"), Made("revision 2", {"password": b"changed", "user": b"app"})
    old_spec, new_spec = old.spec(), new.spec()
    yield opens("revision-2", "", new_spec, new.values)
    yield opens("whole-rollback", "an old revision as a whole is a valid envelope", old_spec, VALUES)
    for field in ("recipients", "mac", "data"):
        yield refused(
            f"old-{field}",
            f"revision 2 with the {field} of revision 1",
            "integrityFailed",
            new.spec(**{field: old_spec[field]}),
        )
        yield refused(
            f"new-{field}",
            f"revision 1 with the {field} of revision 2",
            "integrityFailed",
            old.spec(**{field: new_spec[field]}),
        )
    rolled = new_spec["data"] | {"password": old_spec["data"]["password"]}
    yield refused("old-value", "one value rolled back", "integrityFailed", new.spec(data=rolled))
    forged = Made("revision 2", new.values)
    forged.sealed["password"] = old.sealed["password"]
    yield refused("old-value-new-mac", "", "decryptFailed", forged.spec())
    same_key = Made("revision 1")
    same_key.sealed["password"] = same_key.seal("password", b"changed")
    rolled = same_key.spec()["data"] | {"password": old_spec["data"]["password"]}
    yield refused(
        "old-value-same-data-key",
        "a writer that reused its data key is still caught",
        "integrityFailed",
        same_key.spec(data=rolled),
    )

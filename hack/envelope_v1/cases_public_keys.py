"""Recipients whose data key is wrapped with a public key: RSAES-OAEP with SHA-256."""

from . import oaep
from .envelope import b64, binding
from .making import MASTER, PLACE, VALUES, Made, Stream, case, flipped, opens, refused
from .rsa_keys import KEY_3072, KEY_4096, OTHER_3072

ALGORITHM = "RSA-OAEP-256"
VAULT = "vault-transit:transit/sb-offline"
AWS = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP = "gcp-kms:projects/my-project/locations/europe-west1/keyRings/my-ring/cryptoKeys/sb-offline/cryptoKeyVersions/2"
AZURE = "azure-key-vault:https://payments.vault.azure.net/keys/sb-offline/0123456789abcdef0123456789abcdef"


def held(*keys):
    """Returns the keys of the reader, for a case."""
    return [
        {"keyID": key_id, "privateKey": pem, "publicKey": oaep.public_pem(oaep.load(pem))} for key_id, pem in keys
    ]


def with_keys(made_case, *keys):
    return made_case | {"rsaKeys": held(*keys)}


def recipient(made, key_id, pem, data_key=None, **options):
    sealed = oaep.encrypt(oaep.load(pem).public_key(), made.data_key if data_key is None else data_key, made.random, **options)
    return {"keyID": key_id, "algorithm": ALGORITHM, "wrappedKey": text(key_id, sealed)}


def text(key_id, sealed):
    return ("vault:v3:" if key_id.startswith("vault-transit:") else "") + b64(sealed)


def public_keys():
    made = Made("public keys", masters=())
    for name, key_id in {"vault": VAULT, "aws": AWS, "gcp": GCP, "azure": AZURE}.items():
        for bits, pem in {"3072": KEY_3072, "4096": KEY_4096}.items():
            spec = made.spec(recipients=[recipient(made, key_id, pem)])
            yield with_keys(opens(f"{name}-{bits}", "", spec, VALUES, masters=()), (key_id, pem))
    one, two = recipient(made, VAULT, KEY_3072), recipient(made, AWS, KEY_4096)
    local = made.recipient(MASTER)
    both = made.spec(recipients=[one, two])
    yield with_keys(opens("second-of-two", "the reader holds one key", both, VALUES, masters=()), (AWS, KEY_4096))
    mixed = made.spec(recipients=[one, local])
    yield with_keys(opens("beside-a-symmetric-recipient", "", mixed, VALUES), (VAULT, KEY_3072))
    yield opens("only-the-symmetric-key-is-held", "", mixed, VALUES)
    yield refused("no-key-is-held", "", "noUsableRecipient", both)
    for scope, name in {"namespace": "other", "cluster": "other"}.items():
        bound = Made(f"public keys {scope}", scope=scope, masters=())
        spec = bound.spec(recipients=[recipient(bound, VAULT, KEY_3072)])
        place = {"namespace": "payments", "secretName": name}
        yield with_keys(opens(f"scope-{scope}", "", spec, VALUES, place, masters=()), (VAULT, KEY_3072))
    yield from rejected(made, one, local)


def rejected(made, good, local):
    key = (VAULT, KEY_3072)

    def single(name, comment, expect, bad):
        return with_keys(case(name, comment, expect, made.spec(recipients=[bad]), PLACE, ()), key)

    sealed = oaep.encrypt(oaep.load(KEY_3072).public_key(), made.data_key, made.random)
    for name, algorithm in {
        "unknown-algorithm": "RSA-OAEP",
        "algorithm-in-lower-case": "rsa-oaep-256",
        "empty-algorithm": "",
        "algorithm-with-a-space": "RSA-OAEP-256 ",
    }.items():
        yield single(name, "", "invalidSpec", good | {"algorithm": algorithm})
    without = {name: value for name, value in good.items() if name != "algorithm"}
    yield single("algorithm-removed", "the default of the backend is symmetric", "decryptFailed", without)
    for name, damaged in {
        "truncated": sealed[:-1],
        "extended": sealed + b"\0",
        "of-2048-bits": sealed[:256],
        "changed-first-byte": flipped(sealed),
        "changed-last-byte": flipped(sealed, len(sealed) - 1),
        "zeroes": bytes(384),
    }.items():
        yield single(f"ciphertext-{name}", "", "decryptFailed", good | {"wrappedKey": text(VAULT, damaged)})
    yield single("wrapped-by-another-key", "our keyID over another's bytes", "decryptFailed", recipient(made, VAULT, OTHER_3072))
    yield single("sha-1", "", "decryptFailed", recipient(made, VAULT, KEY_3072, digest="sha1"))
    yield single("with-a-label", "KMSs use the empty one", "decryptFailed", recipient(made, VAULT, KEY_3072, label=b"B"))
    yield single("without-padding", "", "decryptFailed", good | {"wrappedKey": text(VAULT, b"\0" * 352 + made.data_key)})
    for count in (0, 31, 33, 64):
        data_key = Stream(f"public key {count}")(count)
        yield single(f"data-key-of-{count}-bytes", "", "decryptFailed", recipient(made, VAULT, KEY_3072, data_key))
    yield single(
        "other-data-key", "anyone can wrap one; the MAC commits to the right one", "integrityFailed",
        recipient(made, VAULT, KEY_3072, Stream("public key other")(32)),
    )  # fmt: skip
    spec = made.spec(recipients=[local | {"algorithm": ALGORITHM}])
    yield refused("algorithm-on-a-symmetric-key", "", "decryptFailed", spec)
    forged = recipient(made, VAULT, KEY_3072, Stream("public key forged")(32))
    yield with_keys(
        opens("forged-first", "the next one serves", made.spec(recipients=[forged, local]), VALUES), key
    )
    # The KMS unwraps the data key at any place, so that the MAC alone refuses the copy.
    elsewhere = {"namespace": "thieves", "secretName": "db"}
    yield with_keys(
        refused("copied-to-another-namespace", "", "integrityFailed", made.spec(recipients=[good]), elsewhere, ()), key
    )
    thief = Made("public keys thief", namespace="thieves", masters=())
    assert thief.bound == binding("strict", "thieves", "db")
    yield with_keys(
        refused(
            "stolen-recipient", "a wrapped key of another place beside own values", "integrityFailed",
            thief.spec(recipients=[good]), elsewhere, (),
        ), key,
    )  # fmt: skip

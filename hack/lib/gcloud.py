"""The commands of gcloud that docs use, against hack/lib/gcp_server.py, because gcloud is not on PyPI. Unknown commands and flags
are errors. GCP_SERVER is the server's URL, and GCP_TOKEN_FILE the file with the access token of the caller.

    gcloud.py kms keys create sb-wrap --keyring=secrets-bridge --location=europe-west1 --purpose=encryption
"""

import argparse
import json
import os
import re
import sys
import urllib.error
import urllib.request

PROJECT = "example-project"
SERVER = os.environ["GCP_SERVER"]
VERSION_STATES = {"enable": "ENABLED", "disable": "DISABLED"}


def send(method, path, body=None, **query):
    with open(os.environ["GCP_TOKEN_FILE"]) as file:
        headers = {"Authorization": f"Bearer {file.read().strip()}", "Content-Type": "application/json"}
    encoded = "?" + "&".join(f"{name}={value}" for name, value in query.items()) if query else ""
    data = None if method == "GET" else json.dumps(body or {}).encode()
    request = urllib.request.Request(f"{SERVER}/v1/{path}{encoded}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"ERROR: (gcloud) {json.load(error)['error']['message']}")


def add_binding(resource, given):
    policy = send("GET", f"{resource}:getIamPolicy")
    policy["bindings"].append({"role": given.role, "members": [given.member]})
    return send("POST", f"{resource}:setIamPolicy", {"policy": policy})


def ring(given):
    return f"projects/{PROJECT}/locations/{given.location}/keyRings/{given.keyring}"


def key(given):
    return f"{ring(given)}/cryptoKeys/{given.key}"


def create_ring(given):
    return send("POST", f"projects/{PROJECT}/locations/{given.location}/keyRings", keyRingId=given.keyring)


def create_key(given):
    if bool(given.rotation_period) != bool(given.next_rotation_time):
        sys.exit("ERROR: (gcloud) --rotation-period needs --next-rotation-time")
    template = {"protectionLevel": given.protection_level.upper()}
    body = {"purpose": "ENCRYPT_DECRYPT", "versionTemplate": template}
    return send("POST", f"{ring(given)}/cryptoKeys", body, cryptoKeyId=given.key)


def create_version(given):
    version = send("POST", f"{key(given)}/cryptoKeyVersions")
    if given.primary:
        number = version["name"].rpartition("/")[2]
        send("POST", f"{key(given)}:updatePrimaryVersion", {"cryptoKeyVersionId": number})
    return version


def list_versions(given):
    versions = send("GET", f"{key(given)}/cryptoKeyVersions")["cryptoKeyVersions"]
    name, _, value = (given.filter or "").partition("=")
    return [version for version in versions if not name or version[name] == value]


def change_version(given):
    path = f"{key(given)}/cryptoKeyVersions/{given.version}"
    if given.command in VERSION_STATES:
        return send("PATCH", path, {"state": VERSION_STATES[given.command]}, updateMask="state")
    return send("POST", f"{path}:{given.command}")


def create_account(given):
    return send("POST", f"projects/{PROJECT}/serviceAccounts", {"accountId": given.name})


def bind_account(given):
    return add_binding(f"projects/{PROJECT}/serviceAccounts/{given.email}", given)


def create_pool(given):
    path = f"projects/{PROJECT}/locations/{given.location}/workloadIdentityPools"
    return send("POST", path, workloadIdentityPoolId=given.name)


def create_provider(given):
    with open(given.jwk_json_path) as file:
        oidc = {"issuerUri": given.issuer_uri, "jwksJson": file.read()}
    if given.allowed_audiences:
        oidc["allowedAudiences"] = given.allowed_audiences.split(",")
    body = {"oidc": oidc, "attributeMapping": dict(one.split("=", 1) for one in given.attribute_mapping.split(","))}
    if given.attribute_condition:
        body["attributeCondition"] = given.attribute_condition
    path = f"projects/{PROJECT}/locations/{given.location}/workloadIdentityPools/{given.workload_identity_pool}/providers"
    return send("POST", path, body, workloadIdentityPoolProviderId=given.name)


def create_configuration(given):
    """Writes what gcloud writes, with the addresses of this server."""
    content = {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{given.provider}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{SERVER}/v1/token",
        "credential_source": {"file": given.credential_source_file, "format": {"type": given.credential_source_type}},
    }
    if given.service_account:
        url = f"{SERVER}/v1/projects/-/serviceAccounts/{given.service_account}:generateAccessToken"
        content["service_account_impersonation_url"] = url
    with open(given.output_file, "w") as file:
        json.dump(content, file, indent=2)


def parser():
    root = argparse.ArgumentParser(prog="gcloud", allow_abbrev=False)
    groups = {(): root.add_subparsers(required=True)}

    def command(words, run, *flags, **optional):
        """Adds a command: `flags` are required, a word without -- is positional."""
        *path, name = words.split()
        for depth in range(1, len(path) + 1):
            if tuple(path[:depth]) not in groups:
                child = groups[tuple(path[: depth - 1])].add_parser(path[depth - 1], allow_abbrev=False)
                groups[tuple(path[:depth])] = child.add_subparsers(required=True)
        added = groups[tuple(path)].add_parser(name, allow_abbrev=False)
        added.set_defaults(run=run, command=name)
        added.add_argument("--format")
        for flag in flags:
            added.add_argument(flag, **({"required": True} if flag.startswith("--") else {}))
        for flag, default in optional.items():
            options = {"action": "store_true"} if default is False else {"default": default}
            added.add_argument("--" + flag.replace("_", "-"), **options)

    place = ("--keyring", "--location")
    version = ("--key", *place)
    command("kms keyrings create", create_ring, "keyring", "--location")
    command(
        "kms keys create", create_key, "key", *place, "--purpose",
        rotation_period=None, next_rotation_time=None, protection_level="software",
    )  # fmt: skip
    command("kms keys describe", lambda given: send("GET", key(given)), "key", *place)
    command("kms keys add-iam-policy-binding", lambda given: add_binding(key(given), given), "key", *place, "--role", "--member")
    command("kms keys versions create", create_version, *version, primary=False)
    command("kms keys versions list", list_versions, *version, filter=None)
    for name in ("enable", "disable", "destroy", "restore"):
        command(f"kms keys versions {name}", change_version, "version", *version)
    command("iam service-accounts create", create_account, "name")
    command("iam service-accounts add-iam-policy-binding", bind_account, "email", "--role", "--member")
    pools = "iam workload-identity-pools"
    command(f"{pools} create", create_pool, "name", "--location")
    command(
        f"{pools} providers create-oidc", create_provider, "name", "--location", "--workload-identity-pool", "--issuer-uri",
        "--attribute-mapping", "--jwk-json-path", allowed_audiences=None, attribute_condition=None,
    )  # fmt: skip
    command(
        f"{pools} create-cred-config", create_configuration, "provider", "--credential-source-file", "--output-file",
        credential_source_type="text", service_account=None,
    )  # fmt: skip
    return root


def shown(result, form):
    """Yields the lines of --format=value(FIELD.FIELD) or value(FIELD.basename()), or JSON."""
    if form is None:
        yield json.dumps(result, indent=2)
        return
    match = re.fullmatch(r"value\(([a-zA-Z.]+?)(\.basename\(\))?\)", form)
    if not match:
        sys.exit(f"ERROR: (gcloud) --format={form} is unknown to this program")
    for item in result if isinstance(result, list) else [result]:
        for name in match[1].split("."):
            item = item[name]
        yield item.rpartition("/")[2] if match[2] else item


def main():
    given = parser().parse_args()
    if getattr(given, "purpose", "encryption") != "encryption":
        sys.exit("ERROR: (gcloud) --purpose has to be encryption")
    result = given.run(given)
    if result is not None:
        print(*shown(result, given.format), sep="\n")


if __name__ == "__main__":
    main()

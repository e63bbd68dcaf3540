"""The commands of az that docs use, against hack/lib/azure_server.py, because the Azure CLI has hundreds of packages. Unknown
commands and flags are errors. AZ_FOLDER is the server's folder, AZ_TENANT_ID the tenant, AZ_CLIENT_ID the signed-in user, and
AZ_ISSUER the issuer of the cluster. AZ_FOLDER/az.json holds roles and identities.

    az.py keyvault key rotate --vault-name payments --name sb-wrap --query key.kid --output tsv
"""

import argparse
import json
import os
import socket
import ssl
import sys
import urllib.error
import urllib.request
import uuid

import jmespath
from azure_vault import ACTIONS

FOLDER, TENANT, USER = os.environ["AZ_FOLDER"], os.environ["AZ_TENANT_ID"], os.environ["AZ_CLIENT_ID"]
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
VAULTS = "/providers/Microsoft.KeyVault/vaults/"
BUILT_IN = {"Key Vault Crypto Officer": sorted(set(ACTIONS) - {"wrapKey", "unwrapKey"})}
with open(os.path.join(FOLDER, "ready")) as ready:
    PORTS = json.load(ready)
resolve = socket.getaddrinfo


def resolve_localhost(host, *arguments, **options):
    return resolve("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *arguments, **options)


def fetch(request, **options):
    try:
        with urllib.request.urlopen(request, timeout=30, **options) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        refusal = json.load(error)["error"]
        sys.exit("ERROR: " + (refusal if isinstance(refusal, str) else f"({refusal['code']}) {refusal['message']}"))


def control(command, **arguments):
    url = f"http://127.0.0.1:{PORTS['metadata_port']}/control"
    return fetch(urllib.request.Request(url, json.dumps({"do": command, **arguments}).encode()))


def send(method, given, path, body=None):
    """Sends a request of the signed-in user to the vault."""
    token = control("token", client_id=USER, tenant=TENANT, resource=f"https://vault.localhost:{PORTS['port']}")["accessToken"]
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"https://{given.vault_name}.vault.localhost:{PORTS['port']}/keys/{given.name}{path}?api-version=7.4"
    trust = ssl.create_default_context(cafile=os.path.join(FOLDER, "ca.pem"))
    return fetch(urllib.request.Request(url, data, headers, method=method), context=trust)


class State:
    """Roles by name, and identities by name."""

    path = os.path.join(FOLDER, "az.json")

    def __init__(self):
        self.roles, self.identities = dict(BUILT_IN), {}
        if os.path.exists(self.path):
            with open(self.path) as file:
                self.roles, self.identities = json.load(file)

    def save(self):
        with open(self.path, "w") as file:
            json.dump([self.roles, self.identities], file)


def create_vault(given):
    if given.enable_rbac_authorization != "true":
        sys.exit("ERROR: --enable-rbac-authorization true is expected")
    return control("vault", name=given.name, tenant=TENANT)


def show_vault(given):
    return {"id": f"{SUBSCRIPTION}/resourceGroups/secrets-bridge{VAULTS}{given.name}"}


def create_role(given):
    with open(given.role_definition.removeprefix("@")) as file:
        role = json.load(file)
    if role.get("Actions") or role.get("NotDataActions") or not role["AssignableScopes"]:
        sys.exit("ERROR: a role with DataActions and AssignableScopes alone is expected")
    operations = {f"Microsoft.KeyVault/vaults/keys/{action}": name for name, action in ACTIONS.items()}
    state = State()
    state.roles[role["Name"]] = [operations[action] for action in role["DataActions"]]
    state.save()


def assign_role(given):
    state, principal = State(), given.assignee or given.assignee_object_id
    if given.role not in state.roles or VAULTS not in given.scope:
        sys.exit(f"ERROR: no role {given.role}, or {given.scope} is not a vault or a key")
    vault, _, key = given.scope.partition(VAULTS)[2].partition("/keys/")
    identity = next((one for one in state.identities.values() if one["principalId"] == principal), {"clientId": principal})
    return control("grant", client_id=identity["clientId"], vault=vault, operations=state.roles[given.role], key=key or "*")


def create_identity(given):
    state = State()
    identity = {"clientId": str(uuid.uuid4()), "principalId": str(uuid.uuid4())}
    state.identities[given.name] = identity
    state.save()
    return identity


def create_credential(given):
    trusted = {"issuer": given.issuer, "subject": given.subject, "audience": given.audiences}
    client = State().identities[given.identity_name]["clientId"]
    return control("app", client_id=client, tenant=TENANT, federated=[trusted])


def version(given):
    return f"/{given.version}" if given.version else ""


def parser():
    root = argparse.ArgumentParser(prog="az", allow_abbrev=False)
    groups = {(): root.add_subparsers(required=True)}

    def command(words, run, *flags, optional=()):
        *path, name = words.split()
        for depth in range(1, len(path) + 1):
            if tuple(path[:depth]) not in groups:
                child = groups[tuple(path[: depth - 1])].add_parser(path[depth - 1], allow_abbrev=False)
                groups[tuple(path[:depth])] = child.add_subparsers(required=True)
        added = groups[tuple(path)].add_parser(name, allow_abbrev=False)
        added.set_defaults(run=run)
        added.add_argument("--query", default="@")
        added.add_argument("--output", choices=["json", "tsv", "none"], default="json")
        for flag in (*flags, *optional):
            added.add_argument(flag, required=flag in flags, **({"nargs": "+"} if flag == "--ops" else {}))

    group, key = ("--name", "--resource-group"), ("--vault-name", "--name")
    command("group create", lambda given: None, "--name", "--location")
    command("keyvault create", create_vault, *group, "--enable-rbac-authorization", optional=["--enable-purge-protection"])
    command("keyvault show", show_vault, "--name")
    command("role definition create", create_role, "--role-definition")
    command(
        "role assignment create", assign_role, "--role", "--scope",
        optional=["--assignee", "--assignee-object-id", "--assignee-principal-type"],
    )  # fmt: skip
    command("ad signed-in-user show", lambda given: {"id": USER})
    command("ad group show", lambda given: {"id": f"group-{given.group}"}, "--group")
    # Flags without a value.
    command("aks update", lambda given: None, *group)
    update = groups["aks",].choices["update"]
    for flag in ("--enable-oidc-issuer", "--enable-workload-identity"):
        update.add_argument(flag, action="store_true", required=True)
    command("aks show", lambda given: {"oidcIssuerProfile": {"issuerUrl": os.environ["AZ_ISSUER"]}}, *group)
    command("identity create", create_identity, *group)
    command("identity show", lambda given: State().identities[given.name], *group)
    command(
        "identity federated-credential create", create_credential, *group, "--identity-name", "--issuer", "--subject", "--audiences"
    )
    command(
        "keyvault key create",
        lambda given: send("POST", given, "/create", {"kty": given.kty, "key_size": int(given.size), "key_ops": given.ops}),
        *key, "--kty", "--size", "--ops",
    )  # fmt: skip
    command("keyvault key rotate", lambda given: send("POST", given, "/rotate", {}), *key)
    command("keyvault key show", lambda given: send("GET", given, version(given)), *key, optional=["--version"])
    command("keyvault key list-versions", lambda given: send("GET", given, "/versions")["value"], *key)
    command(
        "keyvault key set-attributes",
        lambda given: send("PATCH", given, version(given), {"attributes": {"enabled": given.enabled == "true"}}),
        *key, "--enabled", optional=["--version"],
    )  # fmt: skip
    command("keyvault key delete", lambda given: send("DELETE", given, ""), *key)
    return root


def main():
    socket.getaddrinfo = resolve_localhost
    given = parser().parse_args()
    result = jmespath.search(given.query, given.run(given))
    if given.output == "json":
        print(json.dumps(result, indent=2))
    elif given.output == "tsv" and result is not None:
        print(*(result if isinstance(result, list) else [result]), sep="\n")


if __name__ == "__main__":
    main()

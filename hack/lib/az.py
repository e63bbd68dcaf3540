"""The `az keyvault key` commands that docs use, against hack/lib/azure_server.py, because the Azure CLI has hundreds of packages.
Unknown commands and flags are errors. AZ_FOLDER is the server's folder, and AZ_CLIENT_ID an application that may do all.

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

import jmespath

FOLDER, CLIENT = os.environ["AZ_FOLDER"], os.environ["AZ_CLIENT_ID"]
TENANT = os.environ["AZ_TENANT_ID"]
with open(os.path.join(FOLDER, "ready")) as ready:
    PORTS = json.load(ready)
resolve = socket.getaddrinfo


def resolve_localhost(host, *arguments, **options):
    return resolve("127.0.0.1" if isinstance(host, str) and host.endswith(".localhost") else host, *arguments, **options)


def send(method, given, path, body=None):
    host = f"{given.vault_name}.vault.localhost:{PORTS['port']}"
    control = {"do": "token", "client_id": CLIENT, "tenant": TENANT, "resource": f"https://vault.localhost:{PORTS['port']}"}
    with urllib.request.urlopen(f"http://127.0.0.1:{PORTS['metadata_port']}/control", json.dumps(control).encode(), timeout=10) as response:
        token = json.load(response)["accessToken"]
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    url = f"https://{host}/keys/{given.name}{path}?api-version=7.4"
    trust = ssl.create_default_context(cafile=os.path.join(FOLDER, "ca.pem"))
    try:
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30, context=trust) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        refusal = json.load(error)["error"]
        sys.exit(f"ERROR: ({refusal['code']}) {refusal['message']}")


def version(given):
    return f"/{given.version}" if given.version else ""


def set_attributes(given):
    return send("PATCH", given, version(given), {"attributes": {"enabled": given.enabled == "true"}})


def parser():
    root = argparse.ArgumentParser(prog="az", allow_abbrev=False)
    keyvault = root.add_subparsers(required=True).add_parser("keyvault", allow_abbrev=False).add_subparsers(required=True)
    commands = keyvault.add_parser("key", allow_abbrev=False).add_subparsers(required=True)

    def command(name, run):
        added = commands.add_parser(name, allow_abbrev=False)
        added.set_defaults(run=run)
        added.add_argument("--query", default="@")
        added.add_argument("--output", choices=["json", "tsv", "none"], default="json")
        for flag in ("--vault-name", "--name"):
            added.add_argument(flag, required=True)
        return added

    command("create", lambda given: send("POST", given, "/create", {"kty": given.kty, "key_size": given.size, "key_ops": given.ops}))
    create = commands.choices["create"]
    create.add_argument("--kty", choices=["RSA", "RSA-HSM"], default="RSA")
    create.add_argument("--size", type=int, default=2048)
    create.add_argument("--ops", nargs="+")
    command("rotate", lambda given: send("POST", given, "/rotate", {}))
    command("show", lambda given: send("GET", given, version(given))).add_argument("--version")
    command("list-versions", lambda given: send("GET", given, "/versions")["value"])
    attributes = command("set-attributes", set_attributes)
    attributes.add_argument("--version")
    attributes.add_argument("--enabled", choices=["true", "false"], required=True)
    command("delete", lambda given: send("DELETE", given, ""))
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

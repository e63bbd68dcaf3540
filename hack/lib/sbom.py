"""Prints what is in the image, as SPDX 2.3 in JSON: the program, the Swift packages and the Swift runtime linked into it,
and the Debian packages that its files come from.

    sbom.py ROOT --version VERSION --created EPOCH --source URL --license SPDX --image DIGEST
"""

import argparse
import datetime
import functools
import hashlib
import json
import os
import pathlib
import platform
import re
import subprocess


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@functools.cache
def debian_package(path):
    """Returns the Debian package of a file: name, version, source and architecture. Tries both paths where /lib is a link
    to /usr/lib."""
    for name in (path, f"/usr{path}", os.path.realpath(path)):
        found = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            package = found.stdout.split(": ")[0].split(",")[0]
            return tuple(output("dpkg-query", "-W", "-f", "${Package}\t${Version}\t${source:Package}\t${Architecture}", package).split("\t"))
    return None


def identifier(kind, name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]+", "-", f"{kind}-{name}")


def package(kind, name, version, url=None, **more):
    entry = {
        "SPDXID": identifier(kind, name),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        **more,
    }
    if url:
        entry["externalRefs"] = [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}]
    return entry


def debian_licenses(name):
    """Returns the licenses that a package's copyright file names, in Debian's words: they are no SPDX ids."""
    path = pathlib.Path(f"/usr/share/doc/{name}/copyright")
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    found = sorted(set(re.findall(r"^License: *(\S.*?) *$", text, re.MULTILINE)))
    return {"licenseComments": f"Debian's copyright file names: {', '.join(found)}"} if found else {}


def system_packages(root):
    distribution = platform.freedesktop_os_release()["ID"]
    # The installation generates the bundle, so dpkg knows the certificates but not the bundle.
    paths = ["/usr/sbin/update-ca-certificates"]
    paths += [f"/{path.relative_to(root)}" for path in root.rglob("*.so*")]
    unknown = []
    found = set()
    for path in sorted(paths):
        known = debian_package(path)
        if known:
            found.add(known)
        else:
            unknown.append(path)
    for name, version, source, architecture in sorted(found):
        url = f"pkg:deb/{distribution}/{name}@{version.replace(':', '%3A')}?arch={architecture}&distro={distribution}"
        yield package("Package", name, version, url, sourceInfo=f"built from: {source}", **debian_licenses(name))
    for path in unknown:
        digest = hashlib.sha256((root / path[1:]).read_bytes()).hexdigest()
        yield package("File", path, "unknown", packageFileName=path, checksums=[{"algorithm": "SHA256", "checksumValue": digest}])


def licensed(spdx):
    return {"licenseConcluded": spdx, "licenseDeclared": spdx} if spdx else {}


SWIFT_LICENSE = "Apache-2.0 WITH Swift-exception"


def swift_license(identity):
    """Returns the license of a package's checkout as an SPDX expression, or None if it is not known."""
    for path in sorted(pathlib.Path(".build/checkouts", identity).glob("LICENSE*")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"Apache License\s+Version 2\.0", text):
            return SWIFT_LICENSE if "Runtime Library Exception" in text else "Apache-2.0"
    return None


def swift_packages():
    version = re.search(r"Swift version (\S+)", output("swift", "--version")).group(1)
    yield package("Swift", "swift-runtime", version, f"pkg:github/swiftlang/swift@swift-{version}-RELEASE", **licensed(SWIFT_LICENSE))
    for pin in json.loads(pathlib.Path("Package.resolved").read_text(encoding="utf-8"))["pins"]:
        state, place = pin["state"], re.sub(r"^https://|\.git$", "", pin["location"])
        yield package(
            "Swift", pin["identity"], state.get("version", state["revision"]), f"pkg:swift/{place}@{state.get('version', state['revision'])}",
            sourceInfo=f"git commit {state['revision']}", **licensed(swift_license(pin["identity"])))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=pathlib.Path)
    for name in ("version", "source", "license", "image"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--created", type=int, required=True)
    options = parser.parse_args()

    digest = hashlib.sha256((options.root / "usr/bin/secrets-bridge").read_bytes()).hexdigest()
    program = package(
        "Package", "secrets-bridge", options.version, checksums=[{"algorithm": "SHA256", "checksumValue": digest}],
        primaryPackagePurpose="CONTAINER", **licensed(options.license), comment=f"the image {options.image}; the checksum is of /usr/bin/secrets-bridge")
    parts = [*swift_packages(), *system_packages(options.root)]
    created = datetime.datetime.fromtimestamp(options.created, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"secrets-bridge-{options.version}",
        "documentNamespace": f"{options.source}/sbom/{options.version}/{options.image.removeprefix('sha256:')}",
        "creationInfo": {"created": created, "creators": ["Tool: secrets-bridge hack/image"]},
        "packages": [program, *parts],
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": program["SPDXID"]},
            *({"spdxElementId": program["SPDXID"], "relationshipType": "CONTAINS", "relatedSpdxElement": part["SPDXID"]} for part in parts),
        ],
    }
    print(json.dumps(document, indent=2))


main()

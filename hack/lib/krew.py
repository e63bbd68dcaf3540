"""Packages the kubectl plugin for krew.

    krew.py archive PROGRAM LICENSE ARCHIVE --epoch EPOCH     writes the archive: regular files only, because krew refuses links
    krew.py manifest FOLDER --version VERSION --source URL    prints the manifest for the archives of that version in FOLDER
"""

import argparse
import hashlib
import gzip
import io
import pathlib
import sys
import tarfile
import textwrap

NAME = "wrappedsecret"
ARCHITECTURES = ("amd64", "arm64")
SHORT_DESCRIPTION = "Keep Secrets in Git, wrapped by your KMS"
DESCRIPTION = """\
Shows, checks and rewraps WrappedSecrets: Secrets in Git whose values are encrypted with a data key that a KMS wraps.
The commands "wrap", "unwrap", "verify", "rewrap", "status", "diff" and more are those of secrets-bridge.
"""
CAVEATS = """\
The program runs on Debian 12, Ubuntu 22.04 and later, with these packages:
  apt-get install ca-certificates libcurl4 libssl3 libyaml-0-2
The commands read the key from SB_KMS_* variables. Commands that use a cluster need the CRD of WrappedSecrets in it.
"""
PLATFORM = """\
- selector:
    matchLabels:
      os: linux
      arch: {architecture}
  uri: {source}/releases/download/v{version}/{name}
  sha256: {digest}
  bin: secrets-bridge
  files:
  - from: secrets-bridge
    to: .
  - from: LICENSE
    to: .
"""
MANIFEST = """\
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: {name}
spec:
  version: v{version}
  homepage: {source}
  shortDescription: {short}
  description: |
{description}
  caveats: |
{caveats}
  platforms:
{platforms}"""


def archive_name(version, architecture):
    return f"kubectl-{NAME}-{version}-linux-{architecture}.tar.gz"


def write_archive(program, license_file, archive, epoch):
    """Writes the same bytes for the same inputs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, path, mode in (("LICENSE", license_file, 0o644), ("secrets-bridge", program, 0o755)):
            info = tarfile.TarInfo(name)
            data = path.read_bytes()
            info.size, info.mode, info.mtime = len(data), mode, epoch
            tar.addfile(info, io.BytesIO(data))
    archive.write_bytes(gzip.compress(buffer.getvalue(), 9, mtime=0))


def manifest(folder, version, source):
    """Returns YAML. The runner that publishes has no YAML library."""
    platforms = []
    for architecture in ARCHITECTURES:
        path = folder / archive_name(version, architecture)
        if path.exists():
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            platforms.append(PLATFORM.format(architecture=architecture, source=source, version=version, name=path.name, digest=digest))
    if not platforms:
        sys.exit(f"error: {folder} has no {archive_name(version, 'ARCH')}; write it with hack/cli --output {folder}")
    return MANIFEST.format(
        name=NAME, version=version, source=source, short=SHORT_DESCRIPTION, description=textwrap.indent(DESCRIPTION.rstrip(), "    "),
        caveats=textwrap.indent(CAVEATS.rstrip(), "    "), platforms=textwrap.indent("".join(platforms), "  "))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    archive = commands.add_parser("archive")
    for name in ("program", "license", "archive"):
        archive.add_argument(name, type=pathlib.Path)
    archive.add_argument("--epoch", type=int, required=True)
    printed = commands.add_parser("manifest")
    printed.add_argument("folder", type=pathlib.Path)
    for name in ("version", "source"):
        printed.add_argument(f"--{name}", required=True)
    options = parser.parse_args()
    if options.command == "archive":
        write_archive(options.program, options.license, options.archive, options.epoch)
    else:
        sys.stdout.write(manifest(options.folder, options.version, options.source))


if __name__ == "__main__":
    main()

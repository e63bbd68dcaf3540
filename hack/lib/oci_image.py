"""Writes an OCI image (Image Format Specification 1.1) of a folder, as an archive that skopeo, podman, crane, docker and
containerd read. The same folder and epoch give the same bytes.

    oci_image.py ROOT ARCHIVE --arch ARCH --version VERSION --created EPOCH --source URL --revision COMMIT --license SPDX
"""

import argparse
import datetime
import gzip
import hashlib
import io
import json
import os
import tarfile


def entry(name, path, epoch):
    info = tarfile.TarInfo(name)
    info.mode = os.stat(path).st_mode & 0o777
    info.mtime = epoch
    info.uname = info.gname = "root"
    return info


def layer(root, epoch):
    """Returns the folder as a tar archive, sorted and owned by root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for folder, folders, files in os.walk(root):
            folders.sort()
            for name in sorted(folders):
                path = os.path.join(folder, name)
                info = entry(os.path.relpath(path, root), path, epoch)
                info.type = tarfile.DIRTYPE
                tar.addfile(info)
            for name in sorted(files):
                path = os.path.join(folder, name)
                info = entry(os.path.relpath(path, root), path, epoch)
                info.size = os.path.getsize(path)
                with open(path, "rb") as file:
                    tar.addfile(info, file)
    return buffer.getvalue()


class Layout:
    """Writes blobs by their digest to an archive."""

    def __init__(self, archive, epoch):
        self.tar = tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT)
        self.epoch = epoch

    def add(self, name, data):
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o644
        info.mtime = self.epoch
        self.tar.addfile(info, io.BytesIO(data))

    def blob(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.add(f"blobs/sha256/{digest}", data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    def document(self, media_type, value):
        return self.blob(media_type, json.dumps(value, separators=(",", ":")).encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root")
    parser.add_argument("archive")
    for name in ("arch", "version", "source", "revision", "license"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--created", type=int, required=True)
    options = parser.parse_args()

    created = datetime.datetime.fromtimestamp(options.created, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    labels = {
        "org.opencontainers.image.title": "secrets-bridge",
        "org.opencontainers.image.description": "Keeps Secrets in Git, wrapped by a key that never leaves your KMS",
        "org.opencontainers.image.version": options.version,
        "org.opencontainers.image.revision": options.revision,
        "org.opencontainers.image.created": created,
        "org.opencontainers.image.licenses": options.license,
        "org.opencontainers.image.url": options.source,
        "org.opencontainers.image.source": options.source,
        "org.opencontainers.image.documentation": f"{options.source}/tree/v{options.version}/docs",
    }
    layout = Layout(options.archive, options.created)
    data = layer(options.root, options.created)
    content = layout.blob("application/vnd.oci.image.layer.v1.tar+gzip", gzip.compress(data, 9, mtime=0))
    configuration = {
        "created": created,
        "architecture": options.arch,
        "os": "linux",
        "config": {"User": "65532:65532", "Entrypoint": ["/usr/bin/secrets-bridge"], "WorkingDir": "/", "Labels": labels,
                   # Swift's crash handler would print memory, keys included.
                   "Env": ["SWIFT_BACKTRACE=enable=no"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(data).hexdigest()}"]},
        "history": [{"created": created, "created_by": "hack/image"}],
    }
    manifest_type = "application/vnd.oci.image.manifest.v1+json"
    manifest = layout.document(manifest_type, {
        "schemaVersion": 2,
        "mediaType": manifest_type,
        "config": layout.document("application/vnd.oci.image.config.v1+json", configuration),
        "layers": [content],
        "annotations": labels,
    })
    manifest["platform"] = {"architecture": options.arch, "os": "linux"}
    manifest["annotations"] = {"org.opencontainers.image.ref.name": options.version}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]}
    layout.add("index.json", json.dumps(index, separators=(",", ":")).encode())
    layout.add("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    layout.tar.close()
    print(f"{manifest['digest']} {content['size']} {len(data)}")


main()

"""What a release publishes beside the programs: labels of the image, bill of materials, manifest for krew, licenses."""

import hashlib
import json
import re
import shutil
import sys
import tarfile

import pytest
import yaml

from conftest import BINARY, ROOT, run

SOURCE = "https://github.com/secrets-bridge/secrets-bridge"
LIB = ROOT / "hack/lib"
RESOLVED = (ROOT / "Package.resolved").exists()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Creates a small file system of an image: the program and one library."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "usr/bin").mkdir(parents=True)
    (folder / "usr/bin/secrets-bridge").write_bytes(b"program")
    library = re.search(r"libyaml-0\S* => (\S+)", run("ldd", BINARY).stdout)[1]
    (folder / library[1:]).parent.mkdir(parents=True)
    shutil.copy(library, folder / library[1:])
    return folder


def image(root, archive):
    run(sys.executable, LIB / "oci_image.py", root, archive, "--arch=amd64", "--version=1.2.3", "--created=0", f"--source={SOURCE}",
        "--revision=abc", "--license=Apache-2.0")
    with tarfile.open(archive) as tar:
        def blob(descriptor):
            return json.load(tar.extractfile(f"blobs/sha256/{descriptor['digest'].removeprefix('sha256:')}"))

        manifest = blob(json.load(tar.extractfile("index.json"))["manifests"][0])
        return manifest, blob(manifest["config"])


def test_image_has_labels_and_annotations(root, tmp_path):
    manifest, configuration = image(root, tmp_path / "image.tar")
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in configuration["config"]["Labels"].items()}
    assert {name: labels[name] for name in ("version", "revision", "created", "licenses", "source")} == {
        "version": "1.2.3", "revision": "abc", "created": "1970-01-01T00:00:00Z", "licenses": "Apache-2.0", "source": SOURCE}
    assert labels["documentation"] == f"{SOURCE}/tree/v1.2.3/docs"
    assert set(labels) == {"title", "description", "version", "revision", "created", "licenses", "url", "source", "documentation"}
    assert manifest["annotations"] == configuration["config"]["Labels"]


def test_same_inputs_give_the_same_image(root, tmp_path):
    image(root, tmp_path / "a.tar")
    image(root, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_dockerfile_has_the_labels_that_need_no_version(root, tmp_path):
    _, configuration = image(root, tmp_path / "image.tar")
    text = (ROOT / "Dockerfile").read_text()
    for name in ("title", "description", "licenses", "url", "source"):
        value = configuration["config"]["Labels"][f"org.opencontainers.image.{name}"]
        assert re.search(rf'org\.opencontainers\.image\.{name}="?{re.escape(value)}"?( |$)', text, re.MULTILINE), name


@pytest.mark.parametrize("file", ["Dockerfile", "hack/lib/release_build.sh"])
def test_swift_knows_the_options_of_a_release_build(file, tmp_path):
    """A release itself takes too long to build here."""
    found = re.findall(r"-c release -[^\n)\\]*", (ROOT / file).read_text())
    assert found
    for options in found:
        run("swift", "build", *options.split(), "--scratch-path", tmp_path, "--show-bin-path", cwd=ROOT)


@pytest.mark.skipif(not RESOLVED or not (ROOT / ".build/checkouts").exists(), reason="the Swift packages are not checked out here")
def test_bill_of_materials_has_licenses(root):
    done = run(sys.executable, LIB / "sbom.py", root, "--version=1.2.3", "--created=0", f"--source={SOURCE}", "--license=Apache-2.0",
               "--image=sha256:00", cwd=ROOT)
    packages = {package["name"]: package for package in json.loads(done.stdout)["packages"]}
    assert packages["secrets-bridge"]["licenseDeclared"] == packages["secrets-bridge"]["licenseConcluded"] == "Apache-2.0"
    assert packages["swift-runtime"]["licenseDeclared"] == "Apache-2.0 WITH Swift-exception"
    pins = {pin["identity"] for pin in json.loads((ROOT / "Package.resolved").read_text())["pins"]}
    allowed = {"Apache-2.0", "Apache-2.0 WITH Swift-exception"}
    assert {packages[pin]["licenseDeclared"] for pin in pins} <= allowed
    (library,) = (package for name, package in packages.items() if name.startswith("libyaml"))
    assert library["licenseDeclared"] == "NOASSERTION" and "Debian's copyright file names: " in library["licenseComments"]


def krew(*arguments, check=True):
    return run(sys.executable, LIB / "krew.py", *arguments, check=check)


@pytest.fixture
def archives(tmp_path):
    """Packs a small file in place of the program."""
    (tmp_path / "program").write_text("program")
    for architecture in ("amd64", "arm64"):
        krew("archive", tmp_path / "program", ROOT / "LICENSE", tmp_path / f"kubectl-wrappedsecret-1.2.3-linux-{architecture}.tar.gz", "--epoch=0")
    return tmp_path


def test_krew_archive_has_regular_files_alone(archives):
    """Krew (internal/download) refuses an archive with links."""
    with tarfile.open(archives / "kubectl-wrappedsecret-1.2.3-linux-amd64.tar.gz") as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == ["LICENSE", "secrets-bridge"]
        assert all(member.isreg() for member in members) and members[1].mode == 0o755
        assert tar.extractfile("secrets-bridge").read() == b"program"


def test_krew_manifest(archives):
    """The rules of krew's internal/index/validation."""
    plugin = yaml.safe_load(krew("manifest", archives, "--version=1.2.3", f"--source={SOURCE}").stdout)
    assert (plugin["apiVersion"], plugin["kind"]) == ("krew.googlecontainertools.github.com/v1alpha2", "Plugin")
    assert plugin["metadata"] == {"name": "wrappedsecret"}
    spec = plugin["spec"]
    assert spec["version"] == "v1.2.3" and spec["homepage"] == SOURCE
    assert len(spec["shortDescription"]) <= 50 and "\n" not in spec["shortDescription"]
    assert [platform["selector"]["matchLabels"] for platform in spec["platforms"]] == [{"os": "linux", "arch": arch} for arch in ("amd64", "arm64")]
    for platform in spec["platforms"]:
        path = archives / platform["uri"].removeprefix(f"{SOURCE}/releases/download/v1.2.3/")
        assert platform["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
        with tarfile.open(path) as tar:
            assert platform["bin"] in tar.getnames()
            assert {operation["from"] for operation in platform["files"]} <= set(tar.getnames())


def test_plugin_runs_as_krew_links_it(tmp_path):
    link = tmp_path / "kubectl-wrappedsecret"
    link.symlink_to(BINARY)
    assert "USAGE: kubectl wrappedsecret" in run(link, "--help").stdout


def test_krew_manifest_needs_an_archive(tmp_path):
    done = krew("manifest", tmp_path, "--version=1.2.3", f"--source={SOURCE}", check=False)
    assert done.returncode == 1 and "write it with hack/cli --output" in done.stderr


def test_image_has_the_licenses_of_its_parts(tmp_path):
    run(ROOT / "hack/image", "--root", tmp_path / "root", "--binary", BINARY)
    documents = tmp_path / "root/usr/share/doc"
    assert (documents / "secrets-bridge/LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    packages = {path.parent.name for path in documents.glob("*/copyright")}
    assert {"ca-certificates", "libc6", "libcurl4", "libssl3", "libyaml-0-2"} <= {re.sub("t64$", "", name) for name in packages}


def test_license_is_installed(prefix):
    assert (prefix / "share/doc/secrets-bridge/LICENSE").read_text() == (ROOT / "LICENSE").read_text()

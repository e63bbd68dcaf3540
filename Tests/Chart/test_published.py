"""What a chart repository shows of the chart: versions of Kubernetes, annotations of Artifact Hub, icon, README, license; and
hack/release, which packages it."""

import hashlib
import re
import tarfile
import xml.etree.ElementTree

import pytest
import yaml

from chart import CRDS, HELMS, PUBLISHED, ROOT, VALUES, helm, program_version, rendered, run

CHART = yaml.safe_load((PUBLISHED / "Chart.yaml").read_text())
ANNOTATIONS = {name.removeprefix("artifacthub.io/"): value for name, value in CHART["annotations"].items()}


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("version,accepted", [("1.24.17", False), ("1.25.0", True), ("1.30.5-gke.1014001", True), ("1.36.2", True)])
def test_kube_version(major, version, accepted):
    done = helm(major, "template", "a", PUBLISHED, "--values", VALUES / "local.yaml", "--kube-version", version, check=False)
    assert (done.returncode == 0) is accepted, done.stderr
    assert accepted or "kubeVersion: >=1.25.0-0" in done.stderr


def test_license_is_that_of_the_repository():
    assert ANNOTATIONS["license"] == "Apache-2.0"
    assert "Apache License\n                           Version 2.0" in (ROOT / "LICENSE").read_text()


def test_images_are_those_that_the_chart_installs():
    (image,) = yaml.safe_load(ANNOTATIONS["images"])
    (deployment,) = (found for found in rendered("vault-transit") if found["kind"] == "Deployment")
    assert image["image"] == deployment["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image["image"].endswith(f":{program_version()}")
    assert image["platforms"] == ["linux/amd64", "linux/arm64"]


def test_crds_are_those_of_the_chart():
    named = {crd["name"]: crd for crd in yaml.safe_load(ANNOTATIONS["crds"])}
    assert sorted(named) == sorted(CRDS)
    for path in (ROOT / "manifests/crds").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())
        crd = named[definition["metadata"]["name"]]
        assert crd["kind"] == definition["spec"]["names"]["kind"]
        assert crd["version"] in [version["name"] for version in definition["spec"]["versions"]]


def test_values_of_annotations_that_artifact_hub_knows():
    assert set(ANNOTATIONS) <= {"license", "category", "operator", "operatorCapabilities", "links", "images", "crds", "crdsExamples"}
    assert ANNOTATIONS["category"] == "security"
    assert ANNOTATIONS["operatorCapabilities"] in {"Basic Install", "Seamless Upgrades", "Full Lifecycle", "Deep Insights", "Auto Pilot"}
    for link in yaml.safe_load(ANNOTATIONS["links"]):
        path = link["url"].removeprefix(f"{CHART['home']}/blob/main/")
        assert link["url"].startswith(CHART["home"]) and (path.startswith("https:") or (ROOT / path).exists())


def test_icon_is_a_file_of_the_chart():
    assert CHART["icon"].endswith("/main/charts/secrets-bridge/icon.svg")
    icon = xml.etree.ElementTree.parse(PUBLISHED / "icon.svg").getroot()
    assert icon.tag == "{http://www.w3.org/2000/svg}svg" and icon.get("viewBox") == "0 0 256 256"
    assert (PUBLISHED / "icon.svg").stat().st_size < 4096


def test_readme_names_the_version():
    assert re.findall(r"--version (\S+)", (PUBLISHED / "README.md").read_text()) == [CHART["version"]]


def release(version, folder):
    return run(ROOT / "hack/release", version, folder, env={"HELM": HELMS["4"]}, check=False)


def test_release_packages_the_chart_and_the_plugin_and_writes_checksums(tmp_path):
    plugins = [f"kubectl-wrappedsecret-{program_version()}-linux-{arch}.tar.gz" for arch in ("amd64", "arm64")]
    for name in plugins:
        (tmp_path / name).write_text(name)
    done = release(program_version(), tmp_path)
    assert done.returncode == 0, done.stderr
    package = f"secrets-bridge-{CHART['version']}.tgz"
    with tarfile.open(tmp_path / package) as tar:
        assert {"secrets-bridge/README.md", "secrets-bridge/icon.svg"} <= set(tar.getnames())
    platforms = yaml.safe_load((tmp_path / "wrappedsecret.krew.yaml").read_text())["spec"]["platforms"]
    assert [platform["sha256"] for platform in platforms] == [hashlib.sha256(name.encode()).hexdigest() for name in plugins]
    sums = dict(reversed(line.split("  ")) for line in (tmp_path / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {*plugins, package, "wrappedsecret.krew.yaml"}
    for name, digest in sums.items():
        assert digest == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()


def test_release_refuses_another_version(tmp_path):
    done = release("9.9.9", tmp_path)
    assert done.returncode == 1 and f"the release is 9.9.9, but Sources/SecretsBridge/SecretsBridge.swift has {program_version()}" in done.stderr
    assert list(tmp_path.iterdir()) == []

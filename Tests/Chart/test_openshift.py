"""OpenShift's requirements: the security context constraint restricted-v2, a user that the image does not define, and the admission
plugin OwnerReferencesPermissionEnforcement, which is on in the API server of these tests."""

import json
import subprocess
import sys

import pytest

from chart import CHART, ENTER, NAMESPACE, OVERLAYS, helm, kustomized, pod_specs, rendered
from conftest import eventually
from objects import Namespace
from pod import PROGRAM, Pod
from release import flags, installed
from test_rendering import ALL

# From the namespace's annotation openshift.io/sa.scc.uid-range; the group is always root.
ASSIGNED = (1000680000, 0)
UID_RANGE = range(1000680000, 1000690000)
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def refusals(pod):
    """Returns the violations of restricted-v2, as OpenShift 4.11 and later define it."""
    found = [field for field in ("hostNetwork", "hostPID", "hostIPC") if pod.get(field)]
    found += [f"volume {kind}" for volume in pod.get("volumes", []) for kind in set(volume) - {"name"} - VOLUMES]
    contexts = [pod.get("securityContext", {})] + [container.get("securityContext", {}) for container in pod["containers"]]
    for context in contexts:
        if "runAsUser" in context and context["runAsUser"] not in UID_RANGE:
            found.append(f"runAsUser {context['runAsUser']}")
        if "fsGroup" in context and context["fsGroup"] not in UID_RANGE:
            found.append(f"fsGroup {context['fsGroup']}")
        if context.get("privileged") or context.get("allowPrivilegeEscalation"):
            found.append("privileges")
        if context.get("seccompProfile", {}).get("type", "RuntimeDefault") != "RuntimeDefault":
            found.append("seccompProfile")
        found += [f"capability {name}" for name in context.get("capabilities", {}).get("add", []) if name != "NET_BIND_SERVICE"]
    found += ["ports of the host" for container in pod["containers"] for port in container.get("ports", []) if "hostPort" in port]
    return found


@pytest.mark.parametrize("major", ["3", "4"])
@pytest.mark.parametrize("name", ALL)
def test_pods_fit_restricted_v2(major, name):
    on_openshift = list(pod_specs(rendered(name, "--api-versions=security.openshift.io/v1", major=major)))
    assert len(on_openshift) == 2
    for pod in on_openshift:
        assert refusals(pod) == []
    (_, test) = pod_specs(rendered(name, major=major))
    assert refusals(test) == ["runAsUser 65532"], "elsewhere the image of helm's test would be root"


@pytest.mark.parametrize("overlay", OVERLAYS.values())
def test_manifests_fit_restricted_v2(overlay):
    (pod,) = pod_specs(kustomized(f"overlays/{overlay}"))
    assert refusals(pod) == []


@pytest.mark.parametrize("name", ["aws-kms", "gcp-kms", "azure-key-vault", "local"])
def test_starts_as_a_user_that_the_image_does_not_know(image_root, tmp_path, name):
    """Without a home folder and a user name, the program reads its settings and exits because no cluster exists."""
    container = next(pod_specs(rendered(name)))["containers"][0]
    environment = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
    root = tmp_path / "root"
    subprocess.run(["cp", "-a", "--reflink=auto", image_root, root], check=True)
    if "SB_WRAP_MASTER_KEY_FILE" in environment:
        (root / "etc/master-key").write_text("A" * 43 + "=")
        environment["SB_WRAP_MASTER_KEY_FILE"] = "/etc/master-key"
    words = [f"--env={variable}={value}" for variable, value in environment.items()]
    words = [part for word in words for part in word.split("=", 1)]
    refusal = subprocess.run(
        [sys.executable, ENTER, root, *map(str, ASSIGNED), *words, "--", PROGRAM, *container["args"], "--kubeconfig=/nowhere"],
        capture_output=True, text=True, check=False)
    assert refusal.returncode == 1 and "/nowhere" in refusal.stderr and refusal.stderr.count("\n") == 1, refusal.stderr


def refused(namespace, given, who):
    answer = namespace.kubectl("create", "-f", "-", f"--as={who}", given=json.dumps(given), check=False)
    return answer.stderr if answer.returncode else None


def handed_over(namespace, name):
    """Creates a Secret of another writer that the controller may adopt."""
    namespace.kubectl("create", "secret", "generic", name, "--from-literal=k=theirs")
    namespace.kubectl("annotate", "secret", name, "secrets-bridge.io/allow=adopt")
    namespace.apply(namespace.wrap(name, k="v"))


def orphan(namespace, name):
    namespace.kubectl("patch", "wrappedsecret", name, "--type=merge", "-p", '{"spec":{"creationPolicy":"Orphan"}}')


def owners(namespace, name):
    return [owner["kind"] for owner in namespace.get("secret", name)["metadata"].get("ownerReferences", [])]


def message(namespace, name):
    (ready,) = (found for found in namespace.get("wrappedsecret", name)["status"]["conditions"] if found["type"] == "Ready")
    return ready["message"]


def test_works_as_a_user_that_the_image_does_not_know(cluster, vault, image_root, scratch):
    settings = [f"vault.address={vault.address}", "vault.key=sb-wrap", "vault.ca.configMap=vault-ca"]
    with installed(cluster, "4", *settings):
        deployment = cluster.get("deployment", "secrets-bridge", NAMESPACE)
        namespace = Namespace(cluster, "openshift", vault.developer)
        the_server_enforces(namespace)
        with Pod(cluster, deployment, image_root, scratch / "openshift-a", "openshift-a", ASSIGNED).running() as pod:
            with open(f"/proc/{pod.pid}/status", encoding="utf-8") as status:
                ids = {name: value.split() for name, _, value in (line.partition(":") for line in status)}
            assert ids["Uid"] == [str(ASSIGNED[0])] * 4 and ids["Gid"] == [str(ASSIGNED[1])] * 4
            eventually("the key is ready", lambda: pod.logged("keymgmt backend ready"))
            namespace.apply(namespace.wrap("db", k="v"))
            namespace.until_values("db", k="v")
            namespace.kubectl("delete", "secret", "db")
            namespace.until_values("db", k="v")
            handed_over(namespace, "adopted")
            namespace.until("adopted", "Synced")
            namespace.until_values("adopted", k="v")
            assert owners(namespace, "db") == owners(namespace, "adopted") == ["WrappedSecret"]
            orphan(namespace, "db")
            eventually("it has no owner", lambda: owners(namespace, "db") == [])
            namespace.until("db", "Synced")

        # docs/installing.md: changing owners requires the right to delete on OpenShift.
        helm("4", "upgrade", "secrets-bridge", CHART, "-n", NAMESPACE, "--reuse-values", "--set=rbac.deleteSecrets=false",
             *flags(cluster, "4"), kubeconfig=cluster.kubeconfig)
        with Pod(cluster, deployment, image_root, scratch / "openshift-b", "openshift-b", ASSIGNED).running():
            namespace.apply(namespace.wrap("new", k="v"))
            namespace.until_values("new", k="v")
            handed_over(namespace, "kept")
            namespace.until("kept", "Forbidden")
            assert "cannot set an ownerRef on a resource you can't delete" in message(namespace, "kept")
            assert namespace.values("kept") == {"k": "theirs"}
            orphan(namespace, "new")
            namespace.until("new", "Forbidden")
            namespace.kubectl("patch", "secret", "adopted", "--type=json", "-p", '[{"op": "remove", "path": "/metadata/ownerReferences"}]')
            namespace.until("adopted", "Forbidden")
            assert owners(namespace, "new") == ["WrappedSecret"] and owners(namespace, "adopted") == []


def the_server_enforces(namespace):
    """A user who may create Secrets, but not update the finalizers of the owner, cannot block the owner's deletion."""
    namespace.kubectl("create", "rolebinding", "editor", "--clusterrole=edit", "--user=editor")
    namespace.apply(namespace.wrap("owner", k="v"))
    uid = namespace.get("wrappedsecret", "owner")["metadata"]["uid"]
    reference = {"apiVersion": "secrets-bridge.io/v1alpha1", "kind": "WrappedSecret", "name": "owner", "uid": uid}
    for blocks in (True, False):
        secret = {"apiVersion": "v1", "kind": "Secret",
                  "metadata": {"name": "blocks", "ownerReferences": [{**reference, "blockOwnerDeletion": blocks}]}}
        answer = refused(namespace, secret, "editor")
        assert ("cannot set blockOwnerDeletion" in answer) if blocks else answer is None, answer
    namespace.kubectl("delete", "wrappedsecret", "owner")

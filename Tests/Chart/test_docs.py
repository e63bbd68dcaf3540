"""Runs the commands of docs/installing.md, docs/gitops.md and docs/environments.md in order: the blocks marked sh. helm gets the CA of
OpenBao."""

import json

import pytest

from chart import BINARY, CHART, CRDS, KUBECTL, NAMESPACE, run
from conftest import eventually
from objects import Namespace
from pages import Shell, blocks
from pod import Pod


def shell_of(cluster, vault, folder):
    return Shell(cluster, folder, "4", ["vault.ca.configMap=vault-ca"], {
        "VAULT_ADDR": vault.address, "CLUSTER_TOKEN": "t0", "CLUSTER_CA": "Y2E=", "REPOSITORY_TOKEN": "t1", **vault.developer})


def pod(cluster, image_root, folder):
    return Pod(cluster, cluster.get("deployment", "secrets-bridge", NAMESPACE), image_root, folder, folder.name).running()


def test_commands(cluster, vault, image_root, scratch):
    shell = shell_of(cluster, vault, scratch / "pages")
    install, restrict = blocks("docs/installing.md", "Helm")
    shell.run(install)
    shell.run(restrict)

    database = Namespace(cluster, "documented", vault.developer)
    (health_check,) = blocks("docs/gitops.md", "Argo CD")
    (tokens,) = blocks("docs/gitops.md", "Argo CD's own tokens")
    argo = Namespace(cluster, "argocd", vault.developer)
    argo.kubectl("create", "configmap", "argocd-cm", "--from-literal=url=https://argocd.example.com")
    shell.run(health_check)
    assert len(argo.get("configmap", "argocd-cm")["data"]) == 2
    shell.run(tokens)
    wrapped = sorted(shell.folder.glob("*.yaml"))
    assert [path.name for path in wrapped] == ["wrapped-cluster.yaml", "wrapped-repository.yaml"]
    for path in wrapped:
        argo.apply(path.read_text())
    database.apply(database.wrap("db", k="v"))
    with pod(cluster, image_root, scratch / "documented-a"):
        database.until_values("db", k="v")
        for name, kind, entry, value in (
            ("cluster-production", "cluster", "config", '{"bearerToken": "t0", "tlsClientConfig": {"caData": "Y2E="}}'),
            ("repository-deploy", "repository", "password", "t1"),
        ):
            eventually(f"{name} is created", lambda name=name: argo.values(name))
            assert argo.values(name)[entry] == value
            assert argo.get("secret", name)["metadata"]["labels"]["argocd.argoproj.io/secret-type"] == kind
            argo.until(name, "Synced")
        # A controller that ends between Secret and status leaves an unwrap to the next one.
        database.until("db", "Synced")

    (upgrade,) = blocks("docs/installing.md", "Upgrading")
    shell.run(upgrade)
    (label,) = blocks("docs/environments.md", "Velero and other backups of objects")
    shell.run(label)
    unwraps = vault.decrypted()
    uninstall, release, remove = blocks("docs/installing.md", "Uninstalling")
    with pod(cluster, image_root, scratch / "documented-b"):
        wanted = ("velero.io/exclude-from-backup", "true")
        eventually("the label is there", lambda: wanted in database.get("secret", "db")["metadata"]["labels"].items())
        # The self-test may end after the first reconcile, and its line may be written later.
        eventually("only the self-test unwraps", lambda: vault.decrypted() == unwraps + 1)
        shell.run(release)
        assert "ownerReferences" not in database.get("secret", "db")["metadata"]

    shell.run(uninstall)
    assert database.get("wrappedsecret", "db") and database.values("db") == {"k": "v"}
    shell.run(install)
    shell.run(remove)
    eventually("the WrappedSecrets are deleted", lambda: not any(cluster.exists("crd", name) for name in CRDS))
    # The garbage collector deletes Secrets of deleted owners within this time, as test_release.py shows.
    assert database.values("db") == {"k": "v"} and argo.values("repository-deploy")["password"] == "t1"


def test_notes_of_a_development_installation(cluster, vault, image_root, scratch):
    """The notes that helm install prints for backend local are commands that work when they are pasted."""
    shell = Shell(cluster, scratch / "development", environment=vault.developer)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, "stringData": {"k": "v"}}
    (shell.folder / "secret.yaml").write_text(json.dumps(secret))
    options = "--namespace secrets-bridge --set backend=local --set devProfile=true"
    notes = shell.run(f"helm install secrets-bridge {CHART} {options}").stdout
    payments = Namespace(cluster, "payments", {})
    commands = [line for line in notes.split("NOTES:")[1].splitlines() if line.startswith("  ") and " logs " not in line]
    assert len(commands) == 4
    shell.run("\n".join(commands))
    with pod(cluster, image_root, scratch / "development-pod") as running:
        payments.until_values("db", k="v")
        assert not running.logged("SB_KMS_BACKEND=local keeps the master key in this process and is for development only; use a "
                                  "KMS, or set SB_ENV=dev to mark this as a development profile")
    shell.run("helm uninstall secrets-bridge --namespace secrets-bridge")
    payments.kubectl("delete", "namespace", "payments", "--wait=false")
    cluster.kubectl("delete", "secret", "secrets-bridge-kms", "-n", NAMESPACE)


LOCAL = {"SB_KMS_BACKEND": "local", "SB_WRAP_MASTER_KEY": "A" * 43 + "="}
TRANSFORMERS = {"namespace: staging": False, "namePrefix: eu-": False, "nameSuffix: -eu": False, "labels: [{pairs: {team: core}}]": True}


@pytest.mark.parametrize("transformer", TRANSFORMERS)
def test_transformers(transformer, tmp_path):
    """kustomize's transformers break the binding, or do not, as docs/gitops.md says."""
    wrapped = run(BINARY, "wrap", "-n", "payments", "--name=db", "--from-literal=k=v", env=LOCAL).stdout
    (tmp_path / "db.yaml").write_text(wrapped)
    (tmp_path / "kustomization.yaml").write_text(f"resources: [db.yaml]\n{transformer}\n")
    changed = run(KUBECTL, "kustomize", tmp_path).stdout
    opened = run(BINARY, "unwrap", "-f", "-", given=changed, env=LOCAL, check=False)
    assert (opened.returncode == 0) is TRANSFORMERS[transformer], opened.stderr

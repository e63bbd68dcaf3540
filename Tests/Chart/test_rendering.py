"""Renders the chart without a server: with both versions of helm, for each backend and with every setting."""

import hashlib
import json
import os
import re
import signal
import subprocess
import time

import pytest
import yaml

from chart import (
    BINARY, CHART, CRDS, HELMS, ROOT, VALUES, by_identity, helm, identity, kustomized, pod_specs, program_version, rendered, run, template, values_file)

ALL = sorted(path.stem for path in VALUES.iterdir())
BACKENDS = [name for name in ALL if name != "everything"]
CERTIFICATE = (ROOT / "Tests/Vectors/tls/ca.crt").read_text()
both = pytest.mark.parametrize("major", HELMS)


@both
@pytest.mark.parametrize("name", ALL)
def test_lints(major, name):
    helm(major, "lint", "--strict", CHART, "--values", values_file(name))


@pytest.mark.parametrize("name", ALL)
def test_both_helms_render_the_same(name):
    assert rendered(name, major="3") == rendered(name, major="4")


REFUSALS = {
    "nothing is set": ([], ["vault.address is not set", "https://vault.example.com:8200", "vault.key is not set", "--set vault.key=sb-wrap"]),
    "no key": (["vault.address=https://v"], ["vault.key is not set"]),
    "no role": (["vault.address=https://v", "vault.key=k", "vault.role="], ["vault.role is not set"]),
    "two CAs": (["vault.address=https://v", "vault.key=k", "vault.ca.secret=a", "vault.ca.configMap=b"], ["both set"]),
    "aws without key": (["backend=aws-kms"], ["aws.keyID is not set", "arn:aws:kms:"]),
    "gcp without key": (["backend=gcp-kms"], ["gcp.key is not set", "projects/example/locations/"]),
    "version 0 of a gcp key": (["backend=gcp-kms", "gcp.key=projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/0"], ["key"]),
    "azure without vault": (["backend=azure-key-vault"], ["azure.vaultURL is not set", "azure.key is not set"]),
    "azure by http": (["backend=azure-key-vault", "azure.vaultURL=http://v.vault.azure.net"], ["vaultURL"]),
    "local in earnest": (["backend=local"], ["for development", "devProfile=true"]),
    "two who write": (["backend=local", "devProfile=true", "leaderElection.enabled=false"], ["every replica would write"]),
    "scraped twice": (
        ["backend=local", "devProfile=true", "metrics.podMonitor.enabled=true", "metrics.serviceMonitor.enabled=true"], ["scraped twice"]),
    "a monitor without access": (
        ["backend=local", "devProfile=true", "metrics.podMonitor.enabled=true"], ["networkPolicy.metricsFrom is empty", "Prometheus"]),
    "a token type": (["controller.allowSecretTypes={kubernetes.io/service-account-token}"], ["allowSecretTypes"]),
    "typo": (["vault.adress=https://v", "vault.key=k"], ["adress"]),
    "typo at the top": (["replicaCount=3"], ["replicaCount"]),
    "unknown backend": (["backend=vault"], ["backend"]),
    "bad digest": (["image.digest=sha256:1"], ["digest"]),
    "bad level": (["controller.logLevel=verbose"], ["logLevel"]),
    "a word for a number": (["replicas=two"], ["replicas"]),
    "bad duration": (["leaderElection.leaseDuration=15 seconds"], ["leaseDuration"]),
}


# helm 3 and helm 4 use different schema libraries.
@pytest.mark.parametrize("major, name", [*(("4", name) for name in REFUSALS), ("3", "nothing is set"), ("3", "typo"), ("3", "bad level")])
def test_rejects(major, name):
    settings, expected = REFUSALS[name]
    refusal = template(major, *(f"--set={setting}" for setting in settings), check=False)
    assert refusal.returncode != 0 and refusal.stdout == ""
    for text in expected:
        assert text in refusal.stderr


def test_schema_knows_every_value_and_no_other():
    def compare(schema, values, path):
        known = schema.get("properties")
        if known is None:
            return
        assert schema["additionalProperties"] is False, f"{path} takes anything"
        # A parent chart sets it; a default of "enabled" would overrule the parent's tags.
        parents = {"global", "enabled", "tags"} if not path else set()
        assert parents <= set(known) and set(known) - parents == set(values), f"values.yaml and values.schema.json differ under {path or 'the top'}"
        for name, value in values.items():
            if isinstance(value, dict):
                compare(known[name], value, f"{path}.{name}")

    compare(json.loads((CHART / "values.schema.json").read_text()), yaml.safe_load((CHART / "values.yaml").read_text()), "")


@pytest.mark.parametrize("name", ALL)
def test_pods_are_restricted(name):
    """Tests the level restricted of the Pod Security Standards, and a read-only root."""
    specs = list(pod_specs(rendered(name)))
    assert len(specs) == 2
    for spec in specs:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"runAsGroup", "fsGroup", "supplementalGroups"} & set(pod)
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"configMap", "emptyDir", "projected", "secret"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_user_equals_the_images():
    """The user is a number, because the kubelet cannot check a name against runAsNonRoot. Only helm's test image has none."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (.*)$", dockerfile, re.MULTILINE) == ["65532:65532"]
    assert '"User": "65532:65532"' in (ROOT / "hack/lib/oci_image.py").read_text()
    objects = rendered("local") + kustomized("overlays/dev")
    users = {found["kind"]: pod_spec["securityContext"].get("runAsUser") for found in objects for pod_spec in pod_specs([found])}
    assert users == {"Deployment": None, "Pod": 65532}


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("value", ["serviceAccount.annotations", "controller.watchNamespaces", "controller.extraArgs", "extraEnv", "test.runAsUser"])
def test_empty_values_count_as_unset(major, value):
    """Tests keys without a value, as in "extraArgs:" with all of its lines commented out."""
    without = rendered("local", f"--set={value}=null", major=major)
    pods = [pod["securityContext"].pop("runAsUser", None) for pod in pod_specs(without)]
    assert pods == ([None, None] if value == "test.runAsUser" else [None, 65532])
    expected = rendered("local", major=major)
    for pod in pod_specs(expected):
        pod["securityContext"].pop("runAsUser", None)
    assert without == expected


def objects_of_values(schema=None, path=()):
    """Tests objects whose fields templates read without a check."""
    schema = schema or json.loads((CHART / "values.schema.json").read_text())
    for name, value in schema["properties"].items():
        if value.get("type") == "object" and "properties" in value:
            yield ".".join((*path, name))
            yield from objects_of_values(value, (*path, name))


@both
def test_null_for_an_object_is_rejected(major):
    for path in objects_of_values():
        refusal = template(major, "--set=backend=local,devProfile=true", f"--set={path}=null", check=False)
        assert refusal.returncode != 0 and "nil pointer" not in refusal.stderr, path
        assert "schema" in refusal.stderr and path.split(".")[-1] in refusal.stderr, refusal.stderr


def test_null_security_context_is_omitted():
    deployment, test = pod_specs(rendered("local", "--set=podSecurityContext=null"))
    assert not deployment["securityContext"] and test["securityContext"] == {"runAsUser": 65532}


def test_a_namespace_that_is_named_twice_has_one_role():
    by_identity(rendered("local", "--set=controller.watchNamespaces={payments,payments}"))


def test_version_equals_the_programs():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["appVersion"] == about["version"] == program_version()


def test_some_namespaces_get_roles_in_place_of_the_cluster_role():
    objects = rendered("vault-transit", "--set=controller.watchNamespaces={payments,billing}")
    cluster_wide = [identity(found)[2] for found in objects if found["kind"].startswith("ClusterRole")]
    assert cluster_wide == ["secrets-bridge-view", "secrets-bridge-edit", "secrets-bridge-providers", "secrets-bridge-providers"]
    everywhere = {identity(found): found for found in rendered("vault-transit")}["ClusterRole", "", "secrets-bridge"]
    for kind in ("Role", "RoleBinding"):
        there = {identity(found)[1] for found in objects if found["kind"] == kind and identity(found)[2] == "secrets-bridge"}
        assert there == {"payments", "billing"}
    for found in objects:
        if identity(found)[0] == "Role" and identity(found)[2] == "secrets-bridge":
            assert found["rules"] == everywhere["rules"]
        if identity(found)[2] == "secrets-bridge-delete-secrets":
            assert identity(found)[:2] in {(kind, namespace) for kind in ("Role", "RoleBinding") for namespace in there}


@pytest.mark.parametrize("watched", [[], ["--set=controller.watchNamespaces={payments,billing}"]])
def test_providers_have_a_cluster_role(watched):
    """ClusterKeyProviders are in no namespace, so that the right to list them is never a Role."""
    def named(*arguments):
        found = [found for found in rendered("vault-transit", *watched, *arguments) if found["metadata"]["name"] == "secrets-bridge-providers"]
        return {found["kind"]: found for found in found}

    role = named()["ClusterRole"]
    assert set(named()) == {"ClusterRole", "ClusterRoleBinding"}
    verbs = {(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {
        *((resource, verb) for resource in ("clusterkeyproviders", "namespaces") for verb in ("list", "watch")),
        ("clusterkeyproviders/status", "patch")}
    assert named("--set=keyProviders.enabled=false") == {} == named("--set=rbac.create=false")


@pytest.mark.parametrize("watched", [[], ["--set=controller.watchNamespaces={payments,billing}"]])
def test_key_providers_are_read_where_wrapped_secrets_are(watched):
    def verbs(*arguments):
        kind = "Role" if watched else "ClusterRole"
        roles = [found for found in rendered("vault-transit", *watched, *arguments) if identity(found)[0] == kind and identity(found)[2] == "secrets-bridge"]
        assert len(roles) == (2 if watched else 1)
        return [{(resource, verb) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"] if "keyproviders" in resource}
                for role in roles]

    assert all(found == {("keyproviders", "list"), ("keyproviders", "watch"), ("keyproviders/status", "patch")} for found in verbs())
    assert all(found == set() for found in verbs("--set=keyProviders.enabled=false"))


def test_nothing_is_cluster_wide_without_providers_roles_and_definitions():
    objects = rendered("vault-transit", "--set=controller.watchNamespaces={payments}", "--set=crds.install=false", "--set=rbac.aggregate=false",
                       "--set=keyProviders.enabled=false")
    assert all(identity(found)[1] for found in objects if found["kind"] != "Pod"), [identity(found) for found in objects]


def test_no_role_may_request_tokens_or_write_cluster_key_providers():
    """Tenants grant the right to request a token, in their namespace, and administrators write ClusterKeyProviders."""
    for objects in (rendered("vault-transit"), kustomized("overlays/vault-transit")):
        for rule in (rule for found in objects for rule in found.get("rules", [])):
            assert "serviceaccounts/token" not in rule["resources"] and "*" not in rule["resources"] + rule["verbs"]
            if "clusterkeyproviders" in rule["resources"]:
                assert set(rule["verbs"]) <= {"list", "watch"}


def test_right_to_delete_secrets_is_optional():
    def verbs(*arguments):
        return {verb for found in rendered("vault-transit", *arguments) if found["kind"] in ("Role", "ClusterRole")
                for rule in found["rules"] if "secrets" in rule["resources"] for verb in rule["verbs"]}

    watched = "--set=controller.watchNamespaces={payments,billing}"
    for arguments in ((), (watched,)):
        assert verbs(*arguments) == {"get", "list", "watch", "create", "patch", "delete"}
        assert verbs("--set=rbac.deleteSecrets=false", *arguments) == {"get", "list", "watch", "create", "patch"}


LEASES = {
    "all": ([], "secrets-bridge"),
    "named": (["leaderElection.leaseName=bridge", "controller.labelSelector=a=b"], "bridge"),
    # As in Sources/Controller/Leadership: the first bytes of a digest of the sorted namespaces, a line break and the selector.
    "namespaces": (["controller.watchNamespaces={b,a,b}"], "a,b\n"),
    "selector": (["controller.labelSelector=team in (search\\, ads)"], "\nteam in (search, ads)"),
    "both": (["controller.watchNamespaces={z}", "controller.labelSelector=x"], "z\nx"),
}


@pytest.mark.parametrize("name", LEASES)
def test_leases_are_read_and_written_by_name(name):
    settings, expected = LEASES[name]
    if "\n" in expected:
        expected = f"secrets-bridge-{hashlib.sha256(expected.encode()).hexdigest()[:10]}"
    (role,) = (found for found in rendered("local", *(f"--set={setting}" for setting in settings))
               if found["kind"] == "Role" and found["metadata"]["name"] == "secrets-bridge-leader-election")
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    assert role["rules"] == [{**leases, "resourceNames": [expected], "verbs": ["get", "patch"]}, {**leases, "verbs": ["create"]}]


def network_policy(*arguments):
    return next((found["spec"] for found in rendered("vault-transit", *arguments) if found["kind"] == "NetworkPolicy"), None)


def test_port_is_closed_by_default():
    test_pod = {"podSelector": {"matchLabels": {
        "app.kubernetes.io/name": "secrets-bridge-test", "app.kubernetes.io/instance": "secrets-bridge"}}}
    ports = [{"port": "metrics"}]
    closed = network_policy()
    assert closed["policyTypes"] == ["Ingress"] and closed["ingress"] == [{"ports": ports, "from": [test_pod]}]
    monitoring = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    opened = network_policy("--set-json=networkPolicy.metricsFrom=" + json.dumps([monitoring]))
    assert opened["ingress"] == [{"ports": ports, "from": [test_pod, monitoring]}]
    assert network_policy("--set=networkPolicy.enabled=false") is None


@pytest.mark.parametrize("name", ALL)
def test_a_crash_prints_no_memory(name):
    (container,) = next(pod_specs(rendered(name)))["containers"]
    assert {"name": "SWIFT_BACKTRACE", "value": "enable=no"} in container["env"]


def test_keep_follows_the_values():
    """Tests the annotations for Helm, Argo CD (pruning, and deletion of the Application) and Flux."""
    kept = {"helm.sh/resource-policy": "keep", "argocd.argoproj.io/sync-options": "Prune=false,Delete=false,ServerSideApply=true",
            "kustomize.toolkit.fluxcd.io/prune": "disabled"}
    for keep, expected in (("true", kept), ("false", {"argocd.argoproj.io/sync-options": "ServerSideApply=true"})):
        crds = [found for found in rendered("local", f"--set=crds.keep={keep}") if found["kind"] == "CustomResourceDefinition"]
        assert [crd["metadata"]["name"] for crd in crds] == CRDS
        assert all(crd["metadata"]["annotations"] == expected for crd in crds)
    assert "CustomResourceDefinition" not in {found["kind"] for found in rendered("local", "--set=crds.install=false")}


def credentials_of(objects):
    """Returns the credential configuration that the chart mounts for Workload Identity Federation."""
    return next(found["data"]["credentials.json"] for found in objects if "credentials.json" in found.get("data", {}))


@pytest.mark.parametrize("name", ALL)
def test_the_program_takes_arguments_and_environment(name, tmp_path):
    """The program accepts its arguments, and fails because no cluster exists."""
    container = next(pod_specs(rendered(name)))["containers"][0]
    environment = {variable["name"]: variable["value"] for variable in container["env"] if "value" in variable}
    for variable, place in environment.items():
        if place.startswith(("/etc/secrets-bridge/", "/var/run/secrets/")):
            environment[variable] = str(tmp_path / variable)
            (tmp_path / variable).write_text(
                CERTIFICATE if "CACERT" in variable else credentials_of(rendered(name)) if "CREDENTIALS" in variable else "A" * 43 + "=")
    refusal = run(BINARY, *container["args"], "--kubeconfig=/nowhere", env=environment, check=False)
    assert refusal.returncode == 1 and "/nowhere" in refusal.stderr, refusal.stderr


def test_every_setting_reaches_the_controller():
    """Tests that each environment variable is in docs/configuration.md."""
    spec = next(pod_specs(rendered("everything")))
    container = spec["containers"][0]
    assert container["image"] == "registry.example.com/secrets-bridge@sha256:" + "0" * 64
    assert container["args"] == [
        "controller", "--watch-namespace=payments,billing", "--label-selector=team in (search, ads)",
        "--allowed-scopes=strict,namespace,cluster", "--deny-template-metadata=replicator.example.com/",
        "--allow-secret-types=helm.sh/release.v1",
        "--secret-labels=env=prod,velero.io/exclude-from-backup=true", "--workers=64", "--kms-namespace-rate=0",
        "--kms-namespace-burst=100", "--log-level=debug", "--log-format=json",
        "--leader-elect-name=bridge", "--leader-elect-lease-duration=30s", "--leader-elect-renew-deadline=20s",
        "--leader-elect-retry-period=4s", "--metrics-address=:8080"]
    documented = set(re.findall(r"\bSB_[A-Z_]+\b", (ROOT / "docs/configuration.md").read_text()))
    documented |= {f"{name}_FILE" for name in documented}
    ours = {variable["name"] for variable in container["env"] if variable["name"].startswith("SB_")}
    assert len(ours) == 24 and ours <= documented
    assert all(variable.get("value") != "" for variable in container["env"])


def annotations(*arguments):
    (account,) = (found for found in rendered(*arguments) if found["kind"] == "ServiceAccount")
    return account["metadata"].get("annotations")


def pod_labels(*arguments):
    (deployment,) = (found for found in rendered(*arguments) if found["kind"] == "Deployment")
    return deployment["spec"]["template"]["metadata"]["labels"]


def test_each_cloud_identifies_the_service_account():
    assert annotations("aws-kms") == {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/secrets-bridge"}
    assert annotations("gcp-kms") == {"iam.gke.io/gcp-service-account": "secrets-bridge@example-project.iam.gserviceaccount.com"}
    client = "00000000-0000-0000-0000-000000000000"
    assert annotations("azure-key-vault") == {"azure.workload.identity/client-id": client}
    with_tenant = annotations("azure-key-vault", "--set=azure.tenantID=t", "--set=serviceAccount.annotations.a=b")
    assert with_tenant == {"a": "b", "azure.workload.identity/client-id": client, "azure.workload.identity/tenant-id": "t"}
    assert annotations("gcp-kms", "--set=gcp.serviceAccount=") is None


def test_pods_have_the_label_of_entra_workload_id_only_with_a_client_id():
    assert pod_labels("azure-key-vault")["azure.workload.identity/use"] == "true"
    assert "azure.workload.identity/use" not in pod_labels("azure-key-vault", "--set=azure.clientID=")
    assert "azure.workload.identity/use" not in pod_labels("gcp-kms", "--set=azure.clientID=x")


PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/clusters/providers/production"


def test_federation_outside_gke_has_a_token_and_a_configuration():
    federated = ["gcp-kms", f"--set=gcp.workloadIdentityProvider={PROVIDER}"]
    objects = rendered(*federated)
    assert annotations(*federated) is None
    (configuration,) = (found["data"] for found in objects if found["kind"] == "ConfigMap" and found["metadata"]["name"] == "secrets-bridge-gcp")
    parsed = json.loads(configuration["credentials.json"])
    assert parsed == {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/secrets-bridge@example-project.iam.gserviceaccount.com"
            ":generateAccessToken",
        "credential_source": {"file": "/var/run/secrets/gcp/token"},
    }
    pod = next(pod_specs(objects))
    (volume,) = (found["projected"]["sources"] for found in pod["volumes"] if found["name"] == "gcp-credentials")
    assert volume[0]["serviceAccountToken"] == {
        "path": "token", "audience": f"https://iam.googleapis.com/{PROVIDER}", "expirationSeconds": 3600}
    assert volume[1]["configMap"]["name"] == "secrets-bridge-gcp"
    variables = {variable["name"]: variable.get("value") for variable in pod["containers"][0]["env"]}
    assert variables["GOOGLE_APPLICATION_CREDENTIALS"] == "/var/run/secrets/gcp/credentials.json"
    without_account = json.loads(credentials_of(rendered(*federated, "--set=gcp.serviceAccount=")))
    assert "service_account_impersonation_url" not in without_account
    assert "volumes" not in next(pod_specs(rendered("gcp-kms")))


def test_the_crash_handler_is_off():
    """Swift's crash handler prints registers and the memory that they point to. The pods and the program disable it."""
    (container,) = next(pod_specs(rendered("local")))["containers"]
    variable = next(variable for variable in container["env"] if variable["name"] == "SWIFT_BACKTRACE")
    assert variable["value"] == "enable=no"
    for value in (variable["value"], "enable=yes,color=no,interactive=no"):
        program = subprocess.Popen(
            [BINARY, "verify", "--offline", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, variable["name"]: value}, text=True)
        time.sleep(2)  # until it waits for its input
        assert program.poll() is None
        program.send_signal(signal.SIGSEGV)
        # The input stays open until then; at its end, another thread could report before the signal arrives.
        assert program.wait(timeout=60) == -signal.SIGSEGV
        assert program.communicate()[1] == ""


@pytest.mark.parametrize("types, expected", [
    ("kubernetes.io/service-account-token", "is never allowed"), ("helm.sh/release.v1,bootstrap.kubernetes.io/token", "is never allowed"),
    ("Opaque", "is not denied by default; the types that are: helm.sh/release.v1"), ("", "Missing value for"),
])
def test_the_program_allows_no_other_types(types, expected):
    refusal = run(BINARY, "controller", f"--allow-secret-types={types}", "--kubeconfig=/nowhere", check=False)
    assert refusal.returncode == 64 and expected in refusal.stderr, refusal.stderr

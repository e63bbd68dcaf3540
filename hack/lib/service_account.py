"""A client of the API server with the rights of one service account."""

from kubernetes_api import API

VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
# What the role `edit` allows of what the controller reads, and nothing else.
EDIT = [
    {"apiGroups": ["secrets-bridge.io"], "resources": ["wrappedsecrets"], "verbs": VERBS},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": VERBS},
]


def create(admin, namespace, account, rules=EDIT):
    """Creates the namespace if it is missing, and in it the account with a role of these rules."""
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    named = {"metadata": {"name": account}}
    admin.expect({201, 409}, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    admin.expect({201}, "POST", accounts, named)
    admin.expect({201}, "POST", f"{rbac}/roles", {**named, "rules": rules})
    admin.expect({201}, "POST", f"{rbac}/rolebindings", {
        **named, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": account},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]})  # fmt: skip
    request = {"spec": {"expirationSeconds": 86400}}
    _, answer = admin.expect({201}, "POST", f"{accounts}/{account}/token", request)
    return API(admin.server, admin.pki, answer["status"]["token"])

"""A client of the API server that retries while the server restarts."""

import threading
import time

import requests

OBJECTS = "/apis/secrets-bridge.io/v1alpha1"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
# The rights of the role `edit` over the resources that the controller reads.
EDIT = [
    {"apiGroups": ["secrets-bridge.io"], "resources": ["wrappedsecrets"], "verbs": VERBS},
    {"apiGroups": [""], "resources": ["secrets"], "verbs": VERBS},
]


class GivenUp(Exception):
    """The API server returned errors for longer than the caller's patience."""


class API:
    def __init__(self, server, pki, token=None):
        """Authenticates with `token`, or as the administrator without one."""
        self.server = server
        self.pki = pki
        self.token = token
        self.local = threading.local()

    def session(self):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.trust_env = False
            self.local.session.verify = str(self.pki / "ca.crt")
            if self.token:
                self.local.session.headers["Authorization"] = f"Bearer {self.token}"
            else:
                self.local.session.cert = (str(self.pki / "admin.crt"), str(self.pki / "admin.key"))
        return self.local.session

    def call(self, method, path, body=None, kind="application/json", accept="application/json", patience=90, timeout=30):
        """Returns status code and body. Retries while the server restarts, so a request may be served twice. Sends `body`
        unchanged if it is bytes. `timeout` is for one try, in seconds."""
        end = time.monotonic() + patience
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        while True:
            try:
                response = self.session().request(
                    method, self.server + path, **content, headers={"Content-Type": kind, "Accept": accept}, timeout=timeout
                )
                # A starting API server denies even administrators until its role caches are filled.
                if response.status_code not in {401, 403, 429, 500, 502, 503, 504}:
                    return response.status_code, response.json()
                problem = f"{response.status_code} {response.text[:300]}"
            except RecursionError:
                return response.status_code, {}  # deeper than Python's decoder supports
            except (requests.RequestException, ValueError) as error:
                problem = repr(error)
            if time.monotonic() > end:
                raise GivenUp(f"{method} {path}: {problem}")
            time.sleep(0.2)

    def expect(self, statuses, method, path, body=None, **options):
        status, response = self.call(method, path, body, **options)
        if status not in statuses:
            raise GivenUp(f"{method} {path}: {status} {response.get('message')}")
        return status, response

    def list(self, path):
        return self.expect({200}, "GET", path)[1]["items"]


def object_path(namespace, name=""):
    return f"{OBJECTS}/namespaces/{namespace}/wrappedsecrets" + (f"/{name}" if name else "")


def secret_path(namespace, name=""):
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")


def create_service_account(admin, namespace, account, rules=EDIT):
    """Creates the account with a role of these rules, and its namespace if it is missing; returns a client with its token."""
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
    _, response = admin.expect({201}, "POST", f"{accounts}/{account}/token", request)
    return API(admin.server, admin.pki, response["status"]["token"])

"""A client of the API server for what users and GitOps engines do. The server may restart at any time."""

import threading
import time

import requests

OBJECTS = "/apis/secrets-bridge.io/v1alpha1"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


class GivenUp(Exception):
    """The API server did not serve for too long."""


class API:
    def __init__(self, server, pki, token=None):
        """`token`: of a service account; without it, requests are the administrator's."""
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

    def call(self, method, path, body=None, kind="application/json", accept="application/json", patience=90):
        """Returns status and body. Retries while the server restarts, so a call may be carried out twice. A `body` of bytes
        is sent as it is."""
        end = time.monotonic() + patience
        content = {"data": body} if isinstance(body, bytes) else {"json": body}
        while True:
            try:
                answer = self.session().request(
                    method, self.server + path, **content, headers={"Content-Type": kind, "Accept": accept}, timeout=30
                )
                # Until its role caches are filled, an API server that starts refuses even administrators.
                if answer.status_code not in {401, 403, 429, 500, 502, 503, 504}:
                    return answer.status_code, answer.json()
                problem = f"{answer.status_code} {answer.text[:300]}"
            except RecursionError:
                return answer.status_code, {}  # nests deeper than Python's decoder goes
            except (requests.RequestException, ValueError) as error:
                problem = repr(error)
            if time.monotonic() > end:
                raise GivenUp(f"{method} {path}: {problem}")
            time.sleep(0.2)

    def expect(self, statuses, method, path, body=None, **options):
        status, answer = self.call(method, path, body, **options)
        if status not in statuses:
            raise GivenUp(f"{method} {path}: {status} {answer.get('message')}")
        return status, answer

    def list(self, path):
        return self.expect({200}, "GET", path)[1]["items"]


def object_path(namespace, name=""):
    return f"{OBJECTS}/namespaces/{namespace}/wrappedsecrets" + (f"/{name}" if name else "")


def secret_path(namespace, name=""):
    return f"/api/v1/namespaces/{namespace}/secrets" + (f"/{name}" if name else "")

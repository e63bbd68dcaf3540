"""WrappedSecrets that merge their entries into Secrets of another writer, and the comparison of these Secrets."""

import base64

import comparison
from edits import renamed
from kubernetes_api import APPLY, JSON_PATCH, object_path, secret_path
from workload import SizedEditor

# The number of WrappedSecrets that share a target.
SHARED = 3
THEIRS = "theirs"
# The field manager of edits by hand.
USER = "user"


class MergeEditor(SizedEditor):
    """Writes both the WrappedSecrets and, as the field manager `chart`, their targets. The name of an entry is that of its
    WrappedSecret."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.fields["creationPolicy"] = "Merge"
        # The value of the other writer in each target.
        self.theirs = {}
        # The namespace, target and name of entries that a deleted WrappedSecret may have left.
        self.left = set()

    def run(self):
        for namespace, name in self.specs:
            first = self.secret_name((namespace, name))
            for target in (first, renamed(first)):
                if (namespace, target) not in self.theirs:
                    self.apply_target(namespace, target)
        super().run()

    def secret_name(self, place):
        return f"app-{int(place[1].rsplit('-', 1)[1]) // SHARED}"

    def values(self, place):
        return {place[1]: self.value(place[1], self.size(place))}

    def apply_target(self, namespace, target):
        value = f"chart-{self.random.getrandbits(64):x}"
        manifest = {
            "apiVersion": "v1", "kind": "Secret", "data": {THEIRS: base64.b64encode(value.encode()).decode()},
            "metadata": {"name": target, "annotations": {"secrets-bridge.io/allow": "merge"}},
        }  # fmt: skip
        path = secret_path(namespace, target) + "?fieldManager=chart&force=true"
        self.api.expect({200, 201}, "PATCH", path, manifest, kind=APPLY)
        self.theirs[namespace, target] = value

    # Edits

    def choose(self, place):
        return self.change_theirs if self.random.random() < 0.1 else super().choose(place)

    def change_theirs(self, place):
        self.apply_target(place[0], self.secret_name(place))
        self.done["merge target changed by its writer"] += 1

    def edit(self, place):
        """Replaces the entry if it is there. A user who adds it before the controller owns it. (The operation `replace` of older
        servers adds as well.)"""
        status, secret = self.api.call("GET", self.secret(place))
        if status != 200 or place[1] not in secret.get("data", {}):
            return
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": secret["metadata"]["resourceVersion"]},
            {"op": "replace", "path": f"/data/{place[1]}", "value": "dGFtcGVyZWQ="},
        ]
        path = self.secret(place) + f"?fieldManager={USER}"
        self.api.expect({200, 404, 409, 422}, "PATCH", path, patch, kind=JSON_PATCH)
        self.done["merged entry edited"] += 1

    def rename(self, place):
        """Keeps the target while an edit of the entry is not reverted: the entry is the user's, and would stay there."""
        status, secret = self.api.call("GET", self.secret(place))
        if status == 200 and is_edited(secret, place[1]):
            self.sync(place)
        else:
            super().rename(place)

    def label(self, place):
        """Of two WrappedSecrets that set the same label of a target, one fails."""
        self.sync(place)

    def delete(self, place):
        first = self.secret_name(place)
        self.left |= {(place[0], target, place[1]) for target in (first, renamed(first))}
        super().delete(place)

    def delete_secret(self, place):
        """Deletes the target, creates it again, and requests a sync: otherwise it is looked for at growing intervals."""
        namespace, target = place[0], self.specs[place]["template"]["metadata"]["name"]
        self.api.expect({200, 404}, "DELETE", secret_path(namespace, target))
        self.apply_target(namespace, target)
        for other, spec in self.specs.items():
            if spec and other[0] == namespace and spec["template"]["metadata"]["name"] == target:
                self.sync(other)
        self.done["merge target recreated"] += 1

    # Comparison

    def differences(self, open_wrapped):
        """Yields a line for each difference of the WrappedSecrets and their targets from what was written last."""
        for namespace in sorted({namespace for namespace, _ in self.specs}):
            items = {item["metadata"]["name"]: item for item in self.api.list(object_path(namespace))}
            secrets = {item["metadata"]["name"]: item for item in self.api.list(secret_path(namespace))}
            entries = {}
            for (_, name), spec in self.specs.items():
                problems = list(compare_object(items.get(name), spec))
                yield from (f"{namespace}/{name}: {text}" for text in problems)
                if spec and name in items:
                    entries.setdefault(spec["template"]["metadata"]["name"], {}).update(open_wrapped(items[name]))
            for (_, target), value in self.theirs.items():
                left = {entry for place, secret, entry in self.left if (place, secret) == (namespace, target)}
                wanted = {THEIRS: value, **entries.get(target, {})}
                yield from (f"{namespace}/{target}: {text}" for text in compare_target(secrets.get(target), wanted, left))


def is_edited(secret, entry):
    """Returns whether a user has set the entry last."""
    managers = [one["manager"] for one in secret["metadata"].get("managedFields", []) if f"f:{entry}" in one.get("fieldsV1", {}).get("f:data", {})]
    return USER in managers


def compare_object(item, spec):
    if spec is None:
        if item is not None:
            yield "the WrappedSecret was not deleted"
    elif item is None:
        yield "the WrappedSecret is missing"
    else:
        if item["spec"]["mac"] != spec["mac"]:
            yield "is not what was applied last"
        yield from comparison.compare_status(item)


def compare_target(secret, wanted, left):
    """`wanted` are the values by entry, and `left` the entries that may have stayed."""
    if secret is None:
        yield "the merge target is missing"
        return
    actual = {entry: base64.b64decode(value).decode() for entry, value in secret.get("data", {}).items()}
    for entry in sorted(wanted):
        if actual.get(entry) != wanted[entry]:
            yield f"entry {entry} of the merge target {'has another value' if entry in actual else 'is missing'}"
    for entry in sorted(actual.keys() - wanted.keys() - left):
        yield f"entry {entry} of the merge target is left over"
    if secret["metadata"].get("ownerReferences"):
        yield "the merge target has an owner"

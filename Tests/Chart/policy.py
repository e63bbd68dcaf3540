"""Evaluates a ValidatingAdmissionPolicy as the API server does: match conditions, variables in their order, validations. Also
Kyverno's ValidatingPolicy, which has the same fields."""

import celpy
from celpy.celtypes import ListType, MapType, StringType

ENVIRONMENT = celpy.Environment()
PROGRAMS = {}


def split(text, separator):
    return ListType([StringType(part) for part in text.split(separator)])


def join(parts, separator):
    return StringType(separator.join(parts))


class Cluster:
    """Stands for the objects that Kyverno's resource.Get reads."""

    objects = {}


def get(_, *place):
    return celpy.json_to_cel(Cluster.objects["/".join(place)])


# Functions of the API server's libraries and of Kyverno's, which celpy lacks.
FUNCTIONS = {"split": split, "join": join, "Get": get}


def evaluate(expression, variables):
    if expression not in PROGRAMS:
        PROGRAMS[expression] = ENVIRONMENT.program(ENVIRONMENT.compile(expression), functions=FUNCTIONS)
    return PROGRAMS[expression].evaluate(variables)


def group_and_resource(found):
    group = found["apiVersion"].rpartition("/")[0] if "apiVersion" in found else ""
    return group, f"{found.get('kind', 'Secret').lower()}s"


def matches_rule(rule, operation, found):
    group, resource = group_and_resource(found)
    return group in rule["apiGroups"] and resource in rule["resources"] and operation in rule["operations"]


def denials(policy, username, operation, old=None, new=None, params=None):
    """Returns the messages of failed validations, or None if the policy does not match this request."""
    spec, found = policy["spec"], new or old
    if not any(matches_rule(rule, operation, found) for rule in spec["matchConstraints"]["resourceRules"]):
        return None
    metadata = found["metadata"]
    request = {"operation": operation, "name": metadata["name"], "namespace": metadata["namespace"], "userInfo": {"username": username}}
    given = {
        "object": celpy.json_to_cel(new), "oldObject": celpy.json_to_cel(old), "request": celpy.json_to_cel(request),
        "params": celpy.json_to_cel(params), "resource": MapType(),
    }
    if not all(evaluate(condition["expression"], given) for condition in spec.get("matchConditions", [])):
        return None
    variables = MapType()
    for variable in spec["variables"]:
        value = evaluate(variable["expression"], {**given, "variables": variables})
        variables[StringType(variable["name"])] = value
    given["variables"] = variables
    return [
        str(evaluate(validation["messageExpression"], given)) if "messageExpression" in validation else validation["message"]
        for validation in spec["validations"] if not evaluate(validation["expression"], given)]

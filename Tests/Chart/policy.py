"""Evaluates a ValidatingAdmissionPolicy as the API server does: match conditions, variables in their order, validations."""

import celpy

ENVIRONMENT = celpy.Environment()
PROGRAMS = {}


def evaluate(expression, variables):
    if expression not in PROGRAMS:
        PROGRAMS[expression] = ENVIRONMENT.program(ENVIRONMENT.compile(expression))
    return PROGRAMS[expression].evaluate(variables)


def matches_rule(rule, operation):
    return rule["apiGroups"] == [""] and rule["resources"] == ["secrets"] and operation in rule["operations"]


def denials(policy, username, operation, old=None, new=None):
    """Returns the messages of failed validations, or None if the policy does not match this request."""
    spec = policy["spec"]
    if not any(matches_rule(rule, operation) for rule in spec["matchConstraints"]["resourceRules"]):
        return None
    name = (new or old)["metadata"]["name"]
    given = {
        "object": celpy.json_to_cel(new), "oldObject": celpy.json_to_cel(old),
        "request": celpy.json_to_cel({"operation": operation, "name": name, "userInfo": {"username": username}}),
    }
    if not all(evaluate(condition["expression"], given) for condition in spec["matchConditions"]):
        return None
    variables = celpy.celtypes.MapType()
    for variable in spec["variables"]:
        found = evaluate(variable["expression"], {**given, "variables": variables})
        variables[celpy.celtypes.StringType(variable["name"])] = found
    return [
        validation["message"] for validation in spec["validations"]
        if not evaluate(validation["expression"], {**given, "variables": variables})]

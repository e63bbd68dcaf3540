"""Authenticates a request by its signature and authorises it by IAM policies, with resources and the encryption context,
which moto ignores. Source: IAM User Guide, "Policy evaluation logic"; KMS Developer Guide, "Condition keys"."""

import json
from fnmatch import fnmatchcase

from moto.core.exceptions import InvalidClientTokenIdError, SignatureDoesNotMatchError
from moto.iam.access_control import IAMPolicy, IAMRequest
from werkzeug.datastructures import EnvironHeaders


class Refused(Exception):
    """An error by its code in KMS and STS."""

    def __init__(self, code, message, status=400):
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def signer(environ, body, operation, account):
    """Returns the request as moto's IAM sees it, after checking its signature."""
    if "HTTP_AUTHORIZATION" not in environ:
        raise Refused("MissingAuthenticationTokenException", "Missing Authentication Token")
    try:
        request = IAMRequest(
            account_id=account,
            method=environ["REQUEST_METHOD"],
            path=environ["PATH_INFO"] + ("?" + environ["QUERY_STRING"] if environ.get("QUERY_STRING") else ""),
            data={},
            body=body,
            headers=EnvironHeaders(environ),
            action=operation,
        )
        request.check_signature()
    except InvalidClientTokenIdError:
        raise Refused("UnrecognizedClientException", "The security token included in the request is invalid.") from None
    except SignatureDoesNotMatchError:
        raise Refused("InvalidSignatureException", "The request signature we calculated does not match") from None
    return request


def authorize(request, action, resource, context):
    """Raises Refused unless the signer's policies allow the action on the resource under this encryption context."""
    facts = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    effects = set()
    for policy in request._access_key.collect_policies():
        for statement in listed(IAMPolicy(policy)._policy_json["Statement"]):
            if (
                any(fnmatchcase(action, pattern) for pattern in listed(statement["Action"]))
                and any(fnmatchcase(resource, pattern) for pattern in listed(statement["Resource"]))
                and conditions_hold(statement.get("Condition", {}), facts)
            ):
                effects.add(statement["Effect"])
    if effects != {"Allow"}:
        raise Refused(
            "AccessDeniedException", f"User: {request._access_key.arn} is not authorized to perform: {action}"
        )


def conditions_hold(conditions, facts):
    for operator, wanted in conditions.items():
        if operator != "StringEquals":
            raise ValueError(f"{operator} is not supported by this server: {json.dumps(conditions)}")
        for key, values in wanted.items():
            if facts.get(key) not in listed(values):
                return False
    return True


def listed(value):
    return value if isinstance(value, list) else [value]

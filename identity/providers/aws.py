"""What the providers need of AWS: clients with time-outs, what their errors mean, parameters of the Systems Manager.

boto3 is imported here and by Cognito's file alone, so only an installation that uses them pays for it.
"""

from collections.abc import Sequence
from contextlib import closing
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
)
from django.conf import settings

from identity.providers.base import AlreadyExists, IdentityProvider, Misconfigured, ProviderError, Refused, Unreachable

ERRORS = (ClientError, BotoCoreError)
EXISTS = frozenset({"UsernameExistsException", "GroupExistsException", "AliasExistsException"})
ABSENT = frozenset({"UserNotFoundException", "ResourceNotFoundException"})
THROTTLED = frozenset({"TooManyRequestsException", "ThrottlingException", "LimitExceededException"})
CREDENTIALS = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "NotAuthorizedException",
        "UnrecognizedClientException",
    }
)
MISSING = (NoCredentialsError, PartialCredentialsError, ProfileNotFound)
SEE = "see AWS_ACCESS_KEY_ID, AWS_PROFILE or the role in use."


def client(service: str) -> Any:
    """A boto3 client in AWS_REGION. AWS_ENDPOINT_URL and the credentials are boto3's own business.

    Clients serve all threads; the session that boto3 makes them from by default does not, so each has its own.
    Raises Misconfigured for what boto3 can make no credentials of.
    """
    seconds = settings.IDENTITY_TIMEOUT
    config = Config(connect_timeout=min(5, seconds), read_timeout=seconds, retries={"total_max_attempts": 1})
    try:
        return boto3.session.Session().client(service, region_name=settings.AWS_REGION, config=config)
    except MISSING as error:
        raise translate(error, service) from error


def code_of(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def translate(error: Exception, name: str) -> ProviderError:
    """What one of ERRORS means; `name` is what the message calls the service."""
    if isinstance(error, MISSING):
        return Misconfigured(f"{name} cannot be asked without credentials ({type(error).__name__}): {SEE}")
    if not isinstance(error, ClientError):
        return Unreachable(f"{name} cannot be reached: {type(error).__name__}.")
    code, status = code_of(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code in EXISTS:
        return AlreadyExists(f"{name} has this already, and it is not this tenant's.")
    if code in CREDENTIALS:
        return Refused(f"{name} refuses our credentials ({code}): {SEE}", code="refused")
    if code in THROTTLED or status >= 500:
        return Unreachable(f"{name} answered {status} {code}.")
    return Refused(f"{name} answered {status} {code}.")


def parameters(names: Sequence[str]) -> dict[str, str]:
    """The values of the Systems Manager's parameters. Raises Misconfigured that names those that do not exist."""
    try:
        with closing(client("ssm")) as ssm:
            answer = ssm.get_parameters(Names=list(names), WithDecryption=True)
    except ERRORS as error:
        raise translate(error, "SSM") from error
    found = {parameter["Name"]: parameter["Value"] for parameter in answer["Parameters"]}
    if missing := [name for name in names if not found.get(name)]:
        raise Misconfigured(f"NAMESPACE is set, but SSM has no parameter {', '.join(missing)}.")
    return found


class AwsProvider(IdentityProvider):
    credentials = "AWS_ACCESS_KEY_ID"
    sdk_errors = ERRORS

    def translate(self, error):
        return translate(error, self.name)

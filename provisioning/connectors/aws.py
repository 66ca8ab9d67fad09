"""What the AWS connectors share: a client with time-outs, and which of its errors can be helped by trying again.

boto3 is imported here and by nobody else, so only an installation that talks to AWS pays for it.
"""

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from django.conf import settings

from provisioning.connectors.base import PublishError

CONNECT, READ, ATTEMPTS = 5, 10, 2
CLIENT_CONFIG = Config(
    connect_timeout=CONNECT, read_timeout=READ, retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS}
)
LONGEST_ATTEMPT = ATTEMPTS * (CONNECT + READ)  # seconds
PERMANENT = frozenset(
    {
        "ValidationException",
        "ValidationError",
        "InvalidInputException",
        "InvalidParameterValue",
        "InvalidMessageContents",
        "InvalidAttributeValue",
        "UnsupportedOperation",
        "RequestEntityTooLarge",
    }
)
"""Error codes that say that the message itself is at fault. Anything else, a missing queue or right too, can be mended
by an operator while we wait."""


def client(service: str) -> Any:
    """A boto3 client in AWS_REGION. AWS_ENDPOINT_URL and the credentials are boto3's own business."""
    return boto3.client(service, region_name=settings.AWS_REGION, config=CLIENT_CONFIG)


def call(method: Callable[..., dict], **arguments: Any) -> dict:
    """Call AWS. Raises PublishError, permanent when AWS says that the request itself is at fault."""
    try:
        return method(**arguments)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        raise PublishError(f"AWS refused: {code or status}.", permanent=code in PERMANENT) from error
    except ParamValidationError as error:
        raise PublishError("The message does not fit the AWS call.", permanent=True) from error
    except BotoCoreError as error:
        raise PublishError(f"AWS cannot be reached: {type(error).__name__}.") from error


def must_fit(size: int, limit: int, what: str) -> None:
    """Raises a permanent PublishError for a message that AWS would refuse for its size."""
    if size > limit:
        raise PublishError(f"The event has {size} bytes; {what} takes {limit}.", permanent=True)

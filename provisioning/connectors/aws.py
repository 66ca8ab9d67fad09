"""What the AWS connectors share: a client whose calls end in time, and which errors can be helped by trying again.

boto3 is imported here and by nobody else, so only an installation that talks to AWS pays for it.
"""

import threading
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from django.conf import settings

from provisioning.connectors.base import PublishError

CONNECT, READ, ATTEMPTS = 3, 10, 2  # seconds; tries of a call
TURN = 2  # seconds to wait for one's turn where AWS throttles
TOKEN, PAUSE = 2, 6  # seconds at most that botocore waits by itself: for a token, and between two tries
# A try is its turn, its token, the time to connect, for TLS, to send a head and a body, and the answer.
LONGEST_ATTEMPT = ATTEMPTS * (TURN + TOKEN + 4 * CONNECT + READ) + (ATTEMPTS - 1) * PAUSE
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
    config = Config(
        connect_timeout=CONNECT,
        read_timeout=READ,
        retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
        max_pool_connections=settings.RELAY_CONCURRENCY,
    )
    made = boto3.client(service, region_name=settings.AWS_REGION, config=config)
    _wait_in_turn(made)
    return made


def _wait_in_turn(client: Any) -> None:
    """Bound the wait of the adaptive mode, which botocore does not.

    Once AWS has throttled, it gives tokens, one in TOKEN seconds or more often, to all threads together, and each try
    waits for one, in "before-send", however many wait. So one waits there at a time, and for that place TURN seconds:
    whose turn does not come is an attempt that failed, and the outbox tries again when it has backed off.
    """
    turn = threading.Lock()

    def take(**_: Any) -> None:
        if not turn.acquire(timeout=TURN):
            raise PublishError("AWS has throttled us, and other calls come first.")

    client.meta.events.register_first("before-send", take)
    client.meta.events.register_last("before-send", lambda **_: turn.release())


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

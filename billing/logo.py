"""The picture of SELLER_LOGO at the head of invoices."""

import logging
from functools import lru_cache

from reportlab.lib.utils import ImageReader

logger = logging.getLogger("tenantry.billing")


@lru_cache(maxsize=1)
def is_picture(path: str) -> bool:
    """Whether the file can be drawn, looked at once in a process. Says in the log when it cannot."""
    try:
        ImageReader(path).getRGBData()  # all of it: a file that was cut off has a head
    except OSError:
        logger.error("SELLER_LOGO is no picture that can be read: %s; invoices name the seller instead", path)
        return False
    return True

"""The service's settings for the tests and the processes they start: as ever, but that a password is cheap to check.

How passwords are stored is Django's business; a hash of its own choice takes half a second.
"""

from config.settings import *  # noqa: F403  (all of them)

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if not DB_HOST:  # noqa: F405  (one of them)
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "tests.sqlite3"}  # noqa: F405  (in memory there is no WAL)

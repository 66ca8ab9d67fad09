"""The cache that rate limits count in where there is Redis."""

from functools import cached_property

from django_redis.cache import RedisCache

COUNT = """
local count = redis.call('INCRBY', KEYS[1], ARGV[1])
if count == tonumber(ARGV[1]) then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
return count
"""


class LimitCache(RedisCache):
    """What django-ratelimit counts in: its `add`, and the `incr` that it asks for where the key was there already.

    Both are done in the one round trip of `add`; `incr` only says what came of it. A thread has a cache of its own.
    """

    @cached_property
    def _count(self):
        return self.client.get_client(write=True).register_script(COUNT)

    def add(self, key, value, timeout=None, version=None, client=None):
        self._counted = self._count([self.client.make_key(key, version=version)], [value, timeout])
        return self._counted == value

    def incr(self, key, delta=1, version=None, client=None):
        return self._counted

"""The cache that rate limits count in where there is Redis."""

from django_redis.cache import RedisCache


class LimitCache(RedisCache):
    """What django-ratelimit counts in: its `add`, and the `incr` that it asks for where the key was there already.

    Both are done in the one round trip of `add`; `incr` only says what came of it. A thread has a cache of its own.
    """

    def add(self, key, value, timeout=None, version=None, client=None):
        name = self.client.make_key(key, version=version)
        pipeline = self.client.get_client(write=True).pipeline(transaction=False)
        pipeline.set(name, 0, ex=timeout, nx=True).incrby(name, value)
        _, self._counted = pipeline.execute()
        return self._counted == value

    def incr(self, key, delta=1, version=None, client=None):
        return self._counted

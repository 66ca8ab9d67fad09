"""Answers as JSON, by orjson: it writes ids and moments as they are, which Python would have to make texts of first."""

import orjson
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_text_of = JSONEncoder().default


class OrjsonRenderer(JSONRenderer):
    """drf-orjson-renderer was not taken: it answers 500 where a stored JSON holds a number beyond 64 bits."""

    def render(self, data, accepted_media_type=None, renderer_context=None):
        if data is None:
            return b""
        try:
            return orjson.dumps(data, default=_text_of, option=OPTIONS)
        except orjson.JSONEncodeError:
            return super().render(data, accepted_media_type, renderer_context)

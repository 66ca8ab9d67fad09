"""Files that are given out, to be saved and kept by nobody on the way."""

from django.http import HttpResponse


def attachment(content: bytes, name: str, content_type: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return HttpResponse(content, content_type=content_type, headers=headers)

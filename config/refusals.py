"""What is refused outside of the API's views: a page for a person, the envelope of config.errors for a program."""

from django.conf import settings
from django.http import HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from config.errors import body
from config.language import in_the_readers_language
from config.middleware import request_id
from config.pages import is_page_wanted


def bad_request(request, exception=None):
    text = _("What your browser has sent cannot be understood.")
    return _refusal(request, 400, "The request is malformed.", _("Not understood"), text)


def permission_denied(request, exception=None):
    text = _("You may not do this. Ask an administrator for the role.")
    return _refusal(request, 403, "You may not do this.", _("Not permitted"), text)


def csrf_failure(request, reason=""):
    """A form of ours without its token: of an old page, or of a browser that takes no cookies."""
    text = _("It is too old, or your browser takes no cookies. Load the page again and fill it in once more.")
    way = request.get_full_path(), _("Load the page again")
    return _refusal(request, 403, "The token of the form is wrong.", _("This form no longer works"), text, way)


def locked_out(request, response=None, credentials=None, *args, **kwargs):
    """The answer of django-axes to who has failed to log in too often."""
    text = _("Too many logins have failed. Try again later.")
    return _refusal(request, 429, "Too many logins have failed.", _("Too many attempts"), text)


def not_found(request, exception=None):
    text = _("The address is wrong, or what was there is gone. If it is from a mail, see that all of it was copied.")
    return _refusal(request, 404, "There is nothing at this address.", _("There is nothing here"), text)


def server_error(request):
    """A defect of ours: the log has the rest under the same request id."""
    message = f"Something went wrong on our side. Please quote request id {request_id()}."
    text = format_lazy("{} {}", _("Try again in a minute. If it stays so, tell us this number:"), request_id())
    return _refusal(request, 500, message, _("Something went wrong on our side"), text)


class NotAllowedMiddleware:
    """Says what Django's own 405 leaves empty."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        response = self.get_response(request)
        if not isinstance(response, HttpResponseNotAllowed):
            return response
        text = _("This address cannot be opened by itself.")
        told = _refusal(request, 405, "This address has no such method.", _("There is nothing to see here"), text)
        told["Allow"] = response["Allow"]
        return told


def _refusal(request, status: int, message: str, title, text, way=None) -> HttpResponse:
    """A page of `title` and `text` for a person, the envelope for a program."""
    if is_page_wanted(request):
        response = _page(request, status, {"title": title, "text": text, "way": way or _way_on(request)})
    else:
        response = JsonResponse(body(status, message), status=status)
    patch_vary_headers(response, ["Accept"])
    return response


@in_the_readers_language
def _page(request, status: int, told: dict) -> HttpResponse:
    return render(request, "refused.html", told, status=status)


def _way_on(request) -> tuple:
    """The address that a refusal sends its reader to, and what to call it."""
    if request.path.startswith("/admin/"):
        return reverse("admin:index"), _("Back to the back-office")
    if request.path.startswith("/signup") and settings.SIGNUP_PAGES:
        return reverse("signup"), _("Go to the sign-up")
    return reverse("home"), _("Go to the home page")

"""The second factor of staff: a TOTP app (RFC 6238), for the back-office and for /auth/token alike.

Whoever has enrolled an app is asked for its code, or for a recovery code, at every login. With
STAFF_TWO_FACTOR=required nobody gets further than the page that enrols one.
"""

from base64 import b32encode

import qrcode
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import logout, user_login_failed
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django_otp import device_classes, devices_for_user, login
from django_otp.models import Device
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.forms import AuthenticationForm
from unfold.widgets import INPUT_CLASSES

from config import audit
from identity import recovery
from identity.models import RecoveryDevice, User


def is_required() -> bool:
    return settings.STAFF_TWO_FACTOR == "required"


def is_enrolled(user: User) -> bool:
    """Whether the user has a second factor; django_otp's own question is a statement for each kind of device."""
    first, *others = (kind.objects.devices_for_user(user, confirmed=True).values("pk") for kind in device_classes())
    return first.union(*others).exists()


def is_needed_by(user: User) -> bool:
    return is_required() or is_enrolled(user)


def passes(request: HttpRequest, user: User, code: str) -> bool:
    """Whether the second factor of `user` holds: `code` of its app or one for recovery where it has enrolled, else
    whether it may go without.

    A code works once. A wrong one makes the next wait longer each time, and counts as a failed login.
    """
    if not is_enrolled(user):
        return not is_required()
    user.otp_device = _match(user, code.replace(" ", "")) if code else None
    if code and user.otp_device is None:
        user_login_failed.send(__name__, credentials={"username": user.get_username()}, request=request)
    return user.otp_device is not None


@transaction.atomic
def _match(user: User, code: str) -> Device | None:
    """The device that `code` is of. Only those of its kind are asked: the others would count it as a failure."""
    kind = TOTPDevice if code.isdigit() else RecoveryDevice
    devices = [device for device in devices_for_user(user, for_verify=True) if isinstance(device, kind)]
    return next((device for device in devices if device.verify_token(code)), None)


class CodeInput(forms.TextInput):
    def __init__(self):
        attributes = {"autocomplete": "one-time-code", "autocapitalize": "off", "class": " ".join(INPUT_CLASSES)}
        super().__init__(attributes)


class LoginForm(AuthenticationForm):
    """Username and password, and the code of the app for whoever has one."""

    code = forms.CharField(
        label=_("Code of your app, or a recovery code, if you have set one up"), required=False, widget=CodeInput()
    )

    def clean(self):
        cleaned = super().clean()
        user = self.get_user()
        if user is not None and is_enrolled(user) and not passes(self.request, user, cleaned.get("code", "")):
            raise forms.ValidationError(_("The code is missing or wrong, or comes too soon after a wrong one."))
        return cleaned


class CodeForm(forms.Form):
    code = forms.CharField(label=_("Code of the app"), max_length=20, widget=CodeInput())


OPEN = ("two-factor", "admin:logout", "admin:login", "admin:jsi18n", "backoffice-css")
"""What a session without the second factor reaches."""


class TwoFactorMiddleware:
    """Leads who needs a second factor, and has shown none in this session, to the page that enrols one, and nowhere
    else; who has enrolled one elsewhere is logged out there."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path not in map(reverse, OPEN):
            user = request.user
            if user.is_authenticated and not user.is_verified() and is_needed_by(user):
                return HttpResponseRedirect(reverse("two-factor"))
        return self.get_response(request)


def enrol(request: HttpRequest) -> HttpResponse:
    """Enrol an app, however many pages are opened or sent at once; who has one gets recovery codes."""
    user = request.user
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        if not is_enrolled(user):
            return _enrolment(request)
    if not user.is_verified():  # enrolled from elsewhere meanwhile: only a login with a code goes on
        logout(request)
        return HttpResponseRedirect(reverse("admin:login"))
    return _recovery(request)


def _enrolment(request: HttpRequest) -> HttpResponse:
    """The app's key as a picture and as text, and a code that proves it was read."""
    user = request.user
    device = next(iter(devices_for_user(user, confirmed=False)), None)
    device = device or TOTPDevice.objects.create(user=user, name=settings.APP_NAME, confirmed=False)
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if device.verify_token(form.cleaned_data["code"].replace(" ", "")):
            device.confirmed = True
            device.save()
            login(request, device)
            _audit(request, "enrol_two_factor")
            messages.success(request, _("From now on the code of your app is asked for at every login."))
            return _page(request, codes=recovery.renew(user))
        form.add_error("code", _("The code is wrong, or comes too soon after a wrong one."))
    return _page(request, form=form, device=device)


def _recovery(request: HttpRequest) -> HttpResponse:
    """How many recovery codes are left, and fresh ones for a code of the app: a session alone is not enough."""
    form = CodeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        if passes(request, request.user, form.cleaned_data["code"]):
            _audit(request, "renew_recovery_codes")
            return _page(request, codes=recovery.renew(request.user))
        form.add_error("code", _("The code is wrong, or comes too soon after a wrong one."))
    return _page(request, form=form, left=recovery.left(request.user))


def _audit(request: HttpRequest, what: str) -> None:
    unchanged = audit.snapshot(request.user)
    audit.record(request, request.user, what=what, before=unchanged, after=unchanged)


def _page(
    request: HttpRequest,
    *,
    form: CodeForm | None = None,
    device: TOTPDevice | None = None,
    left: int | None = None,
    codes: list[str] | None = None,
) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": _("Two-factor authentication"),
        "form": form,
        "left": left,
        "codes": codes,
    }
    if device is not None:
        picture = qrcode.QRCode(border=2)
        picture.add_data(device.config_url)
        picture.make()
        matrix = picture.get_matrix()
        key = b32encode(device.bin_key).decode()
        context |= {
            "modules": [(x, y) for y, line in enumerate(matrix) for x, dark in enumerate(line) if dark],
            "size": len(matrix),
            "key": " ".join(key[start : start + 4] for start in range(0, len(key), 4)),
        }
    response = TemplateResponse(request, "backoffice/two_factor.html", context)
    response["Cache-Control"] = "no-store"
    return response

"""A mail from its templates: templates/mail/<name>.subject.txt, .txt and .html."""

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from config.branding import brand


def compose(name: str, *, to: str, language: str = "", **context) -> EmailMultiAlternatives:
    """The mail `name` to one address, as text and HTML; the subject on a single line (RFC 5322, section 2.2).

    `language` is one of LANGUAGES, the service's own where it is empty.
    """
    context |= {"app_name": settings.APP_NAME, "public_url": settings.PUBLIC_URL, "brand": brand()}
    with translation.override(language or settings.LANGUAGE_CODE):
        mail = EmailMultiAlternatives(
            subject=" ".join(render_to_string(f"mail/{name}.subject.txt", context).split()),
            body=render_to_string(f"mail/{name}.txt", context).strip() + "\n",
            to=[to],
        )
        mail.attach_alternative(render_to_string(f"mail/{name}.html", context), "text/html")
    return mail

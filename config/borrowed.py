"""Texts of libraries without a German of their own, or with one that is none ("Ausgewählte Adresse ändern"), and what
we call otherwise, in locale/en too: named here, so that `make messages` keeps their translations."""

from django.utils.translation import gettext_noop as _
from django.utils.translation import ngettext_lazy as ngettext

AUDITLOG = (
    _("log entry"), _("log entries"), _("timestamp"), _("actor"), _("remote address"),
    _("create"), _("update"), _("delete"), _("access"), _("Created {repr:s}"), _("Updated {repr:s}"),
    _("Deleted {repr:s}"), _("Logged {repr:s}"),
)  # fmt: skip
DJANGO = (
    _("Authentication and Authorization"), _("group"), _("groups"), _(" By %(filter_title)s "),
    _(
        "The groups this user belongs to. A user will get all permissions granted to each of their groups."
    ),
    _("Change selected %(model)s"), _("Delete selected %(model)s"), _("View selected %(model)s"),
    _(
        "Are you sure you want to delete the selected %(objects_name)s? All of the following objects and their "
        "related items will be deleted:"
    ),
    _("Password-based authentication"), _("Enabled"), _("Disabled"),
    _(
        "Whether the user will be able to authenticate using a password or not. If disabled, they may still be able "
        "to authenticate using other backends, such as Single Sign-On or LDAP."
    ),
)  # fmt: skip
UNFOLD = (
    _("After you've created a user, you’ll be able to edit more user options."), _("All applications"),
    _("Apply Filters"), _("Choose file to upload"), _("Click to cancel"), _("Click to download"),
    _("Dark"), _("Date from"), _("Date to"), _("Expand row"), _("False"), _("From"),
    _("General"), _("Go back"), _("History"), _("Image preview"), _("Light"), _("Loading more results..."),
    _("More actions"), _("Next"), _("No data"), _("No recent searches"), _("No results found"),
    _("No results matching your query"), _("Not enough data."), _("Previous"), _("Recent searches"),
    _("Record picture"), _("Return to site"), _("Run"), _("Search apps and models..."),
    _("Select action"), _("Select action to run"), _("Select all rows"), _("Select format"),
    _("Select record"), _("Select value"), _("System"),
    _("This item will be deleted."),
    _("This page yielded into no results. Create a new item or reset your filters."), _("To"),
    _("Toggle password visibility"), _("True"), _("Type to search"), _("Value"), _("Welcome"),
    _("You have been successfully logged out from the administration"),
    _(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can change the "
        'password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    ngettext(
        "\n                Found %(counter)s result in %(time)s seconds\n            ",
        "\n                Found %(counter)s results in %(time)s seconds\n            ",
    ),
)  # fmt: skip
IMPORT_EXPORT = (
    _("%(exc_name)s encountered while trying to read file. Ensure you have chosen the correct format for the file."),
    _("No valid data to import. Ensure your file has the correct headers or data for import."),
)

"""Texts of libraries without a German of their own: named here, so that `make messages` keeps their translations."""

from django.utils.translation import gettext_noop as said
from django.utils.translation import ngettext_lazy

AUDITLOG = (
    said("log entry"), said("log entries"), said("timestamp"), said("actor"), said("remote address"),
    said("content type"), said("action"), said("create"), said("update"), said("delete"), said("access"),
)  # fmt: skip
UNFOLD = (
    said("After you've created a user, you’ll be able to edit more user options."), said("All applications"),
    said("Apply Filters"), said("Choose file to upload"), said("Click to cancel"), said("Click to download"),
    said("Dark"), said("Date from"), said("Date to"), said("Expand row"), said("False"), said("From"),
    said("General"), said("Go back"), said("Image preview"), said("Light"), said("Loading more results..."),
    said("More actions"), said("Next"), said("No data"), said("No recent searches"), said("No results found"),
    said("No results matching your query"), said("Not enough data."), said("Previous"), said("Recent searches"),
    said("Record picture"), said("Return to site"), said("Run"), said("Search apps and models..."),
    said("Select action"), said("Select action to run"), said("Select all rows"), said("Select format"),
    said("Select record"), said("Select value"), said("System"), said("This exporter will export the following fields"),
    said("This item will be deleted."),
    said("This page yielded into no results. Create a new item or reset your filters."), said("To"),
    said("Toggle password visibility"), said("True"), said("Type to search"), said("Value"), said("Welcome"),
    said("You have been successfully logged out from the administration"),
    said(
        "Raw passwords are not stored, so there is no way to see this user’s password, but you can change the "
        'password using <a href="{}" class="text-primary-600 dark:text-primary-500">this form</a>.'
    ),
    ngettext_lazy(
        "\n                Found %(counter)s result in %(time)s seconds\n            ",
        "\n                Found %(counter)s results in %(time)s seconds\n            ",
    ),
)  # fmt: skip
IMPORT_EXPORT = (
    said("%(exc_name)s encountered while trying to read file. Ensure you have chosen the correct format for the file."),
    said("No valid data to import. Ensure your file has the correct headers or data for import."),
)

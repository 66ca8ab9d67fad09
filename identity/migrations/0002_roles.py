"""The groups of `identity.roles`, once the permissions that they hold are there."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from identity.roles import LOOKED_AT, make_roles


def forwards(apps, schema_editor):
    for label in (*LOOKED_AT, "identity", "auth"):
        config = apps.get_app_config(label)
        config.models_module = True  # a migration's app has none, and create_permissions passes such by
        create_permissions(config, apps=apps, verbosity=0)
        config.models_module = None
    make_roles(apps.get_model("auth", "Group"), apps.get_model("auth", "Permission"))


class Migration(migrations.Migration):
    dependencies = [
        ("identity", "0001_initial"),
        ("leads", "0001_initial"),
        ("tenants", "0001_initial"),
        ("billing", "0001_initial"),
        ("provisioning", "0001_initial"),
        ("webhooks", "0001_initial"),
        ("auditlog", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]

"""What is special about Cognito: it invites by itself, lists in pages, and leaves the credentials to boto3."""

import os

import pytest

from provisioning.models import IdentitySetup
from tests.conftest import assert_error, call_users
from tests.identity_worlds import done, server, world


@pytest.mark.django_db
@pytest.mark.parametrize("world", ["cognito", "cognito pooled"], indirect=True)
class TestCognito:
    def test_invites_the_first_user_by_itself(self, world):
        run = world.run()
        auth_id = done(world, run)
        api = world.api()
        (pool,) = api.list_user_pools(MaxResults=60)["UserPools"]
        user = api.admin_get_user(UserPoolId=pool["Id"], Username="ada@acme.example")
        attributes = {each["Name"]: each["Value"] for each in user["UserAttributes"]}
        assert (attributes["sub"], attributes["given_name"]) == (auth_id, "Ada")
        assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        memory = IdentitySetup.objects.get().memory_values
        app = api.describe_user_pool_client(UserPoolId=pool["Id"], ClientId=memory["client_id"])["UserPoolClient"]
        assert app["ClientSecret"] == memory["client_secret"]
        assert app["CallbackURLs"][0] == f"https://{run.tenant.key}.saas.example/"

    def test_finds_its_pool_among_more_than_one_page(self, world, monkeypatch):
        monkeypatch.setattr("identity.providers.cognito.PAGE", 2)
        api = world.api()
        run = world.run()
        for number in range(5):
            api.create_user_pool(PoolName=world.home(run.tenant) if number == 0 else f"pool-{number}")
        auth_id = done(world, run)
        IdentitySetup.objects.all().delete()
        assert done(world, run) == auth_id

    @pytest.mark.parametrize("given", [{}, {"AWS_ACCESS_KEY_ID": "test"}, {"AWS_PROFILE": "none"}], ids=str)
    def test_is_not_said_to_be_away_where_credentials_are_missing(self, world, monkeypatch, given):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, os.devnull)
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        error = assert_error(call_users(world.run(), provider="cognito"), 400, code="provider_misconfigured")
        assert "AWS_ACCESS_KEY_ID" in error["message"]

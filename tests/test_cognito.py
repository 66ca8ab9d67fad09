"""What is special about Cognito: it invites by itself, and lists in pages."""

import pytest

from provisioning.models import IdentitySetup
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

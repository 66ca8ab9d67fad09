"""What is special about Auth0: organizations by a configuration, and tickets that a mail carries."""

import pytest
from django.core import mail

from identity import providers
from provisioning.models import Delivery, Event
from tests.conftest import assert_error, call_users
from tests.identity_worlds import EMAIL, WORLDS, done, server, world
from tests.make import make_config

auth0_only = pytest.mark.parametrize("world", WORLDS[3:5], indirect=True)


@pytest.mark.django_db
@auth0_only
class TestAuth0:
    CONFIG = {
        "display_name": "Acme & Co", "logo_url": "https://acme.example/logo.png", "primary_color": "#008080",
        "page_background": "#ffffff", "enabled_connections": [{"connection_id": "con_0000000000000002"}],
        "password": "what-the-reference-kept-here",
    }  # fmt: skip

    def test_shapes_an_organization_of_its_own_by_the_tenants_configuration_and_no_shared_one(self, world):
        if world.fake is None:
            pytest.skip("looks into the fake")
        run = world.run()
        make_config(run.tenant, config_key="auth0", config_value=self.CONFIG)
        done(world, run)
        (organization,) = world.fake.organizations.values()
        enabled = {each["connection_id"] for each in organization["enabled"]}
        if world.tier == "PREMIUM":
            assert organization["display_name"] == "Acme & Co"
            assert organization["branding"]["colors"] == {"primary": "#008080", "page_background": "#ffffff"}
            assert enabled == {"con_0000000000000001", "con_0000000000000002"}
        else:
            assert "branding" not in organization
            assert enabled == {"con_0000000000000001"}

    @pytest.mark.parametrize(
        "config",
        [
            {"colour": "teal"},
            {"display_name": 7},
            {"enabled_connections": "all"},
            {"enabled_connections": ["con_1"]},
            {"enabled_connections": [{"connection_id": "con_1", "role": "admin"}]},
            {"primary_color": "#008080"},
            {"connection": "no-such-connection"},
        ],
        ids=str,
    )
    def test_a_configuration_that_makes_no_sense_is_a_400_that_names_it(self, world, config):
        run = world.run()
        make_config(run.tenant, config_key="auth0", config_value=config)
        assert "auth0" in assert_error(call_users(run, provider="auth0"), 400)["message"].lower()

    def test_mails_a_ticket_that_is_made_when_the_mail_is(self, world, relayed):
        run = world.run()
        done(world, run)
        if world.fake is not None:
            assert world.fake.tickets == []
        relayed()
        (message,) = mail.outbox
        assert message.to == [EMAIL]
        link = next(line for line in message.body.splitlines() if line.startswith("https://"))
        assert link not in str(list(Event.objects.values()) + list(Delivery.objects.values()))
        if world.fake is not None:
            (ticket,) = world.fake.tickets
            assert ticket["mark_email_as_verified"] is True

    def test_that_is_away_delays_the_mail(self, world, relayed):
        run = world.run()
        done(world, run)
        providers.get("auth0").token.forget()
        world.proxy.fail(1, "before")
        relayed()
        assert mail.outbox == []
        delivery = Delivery.objects.get(destination="mail:identity_invitation")
        assert (delivery.state, "503" in delivery.last_error) == (Delivery.State.PENDING, True)
        Delivery.objects.update(next_attempt_on=delivery.created_on)
        relayed()
        assert len(mail.outbox) == 1

    def test_gives_no_ticket_for_an_account_that_was_there_before(self, world, relayed):
        first, second = world.run(), world.run()
        assert done(world, first) == done(world, second)
        relayed()
        assert len(mail.outbox) == 1
        gone = Delivery.objects.filter(destination="mail:identity_invitation", state=Delivery.State.CANCELLED)
        assert gone.count() == 1

    def test_gives_no_ticket_to_somebody_who_became_the_primary_contact_since(self, world, relayed):
        run = world.run()
        done(world, run)
        run.tenant.contacts.update(email="mallory@acme.example")
        relayed()
        assert mail.outbox == []

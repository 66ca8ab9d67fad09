"""What staff choose from in the back-office's lists and menus, and what they are asked before it is done."""

import pytest
from django.contrib import admin
from django.contrib.admin.widgets import AutocompleteMixin
from django.urls import reverse

from provisioning.models import Delivery
from tests.make import make_address, make_config, make_contact, make_lead, make_resource, make_run, make_tenant
from tests.test_office import change, changelist
from tests.test_operations import told
from webhooks.models import ReceivedCall

pytestmark = pytest.mark.django_db


class TestChosenDeliveries:
    @pytest.mark.parametrize(
        ("action", "from_state", "to_state", "asked", "said"),
        [
            ("cancel_selected", "DEAD", "CANCELLED", "2 deliveries are not delivered any more", "2 deliveries were"),
            ("replay_selected", "DEAD", "PENDING", "2 deliveries are delivered once more", "2 deliveries will be"),
        ],
    )
    def test_are_left_alone_until_the_question_is_answered(self, office, action, from_state, to_state, asked, said):
        make_run(), make_run()
        Delivery.objects.exclude(destination="bus:memory").delete()
        Delivery.objects.update(state=Delivery.State[from_state])
        chosen = {"action": action, "_selected_action": [each.id for each in Delivery.objects.all()]}
        page = office.post(changelist(Delivery, "?state__exact=2"), chosen)
        assert asked in page.content.decode()
        assert {each.state for each in Delivery.objects.all()} == {Delivery.State[from_state]}
        answer = dict(page.context["sent"]) | {"_selected_action": chosen["_selected_action"], "confirm": "yes"}
        page = office.post(changelist(Delivery, "?state__exact=2"), answer, follow=True)
        assert said in told(page)
        assert {each.state for each in Delivery.objects.all()} == {Delivery.State[to_state]}

    def test_are_counted_in_words_that_fit_one_too(self, office):
        make_run()
        delivery = Delivery.objects.first()
        chosen = {"action": "cancel_selected", "_selected_action": str(delivery.id), "select_across": "0"}
        page = office.post(changelist(Delivery), chosen)
        assert "1 delivery is not delivered" in page.content.decode()
        assert dict(page.context["sent"]) == chosen
        page = office.post(changelist(Delivery), {**chosen, "confirm": "yes"}, follow=True)
        assert "1 delivery was cancelled." in told(page)


def test_no_list_counts_its_table_for_every_choice_of_its_filters(office):
    make_tenant()
    for model in admin.site._registry:
        page = office.get(changelist(model, "?_facets=True"))
        assert page.status_code == 200
        assert not page.context["cl"].add_facets, model
        assert "Show counts" not in page.content.decode()


def test_who_logs_in_with_a_password_is_led_to_change_it(office):
    page = office.get("/admin/").content.decode()
    assert f'href="{reverse("admin:password_change")}"' in page
    assert f'href="{reverse("two-factor")}"' in page


def test_calls_are_narrowed_to_those_that_were_taken_refused_or_not_answered(office):
    for answer in (204, 422, None):
        ReceivedCall.objects.create(run=make_run(), path=f"/{answer}", body={}, answer=answer)
    for verdict, path in {"accepted": "/204", "refused": "/422", "open": "/None"}.items():
        found = office.get(changelist(ReceivedCall, f"?verdict={verdict}")).context["cl"].queryset
        assert [call.path for call in found] == [path]


def test_what_there_are_many_of_is_looked_for_and_not_offered_as_a_list_of_all(office):
    make_tenant(name="Nobody's"), make_lead(email="nobody@acme.example"), make_address(address="1 Nowhere")
    own = make_tenant(name="Acme", lead=make_lead(), address=make_address())
    for obj, names in (
        (own, ["lead", "address"]), (own.lead, ["address"]), (make_contact(own), ["tenant"]),
        (make_resource(own), ["tenant"]), (make_config(own), ["tenant"]),
    ):  # fmt: skip
        page = office.get(change(obj))
        offered = {name: page.context["adminform"].form.fields[name].widget for name in names}
        for name, widget in offered.items():
            assert isinstance(widget.widget, AutocompleteMixin), (obj, name)
        assert not [name for name in ("Nobody", "nobody@", "1 Nowhere") if name in page.content.decode()]

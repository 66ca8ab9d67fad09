"""From a lead to a tenant, alone and in a race."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from leads.models import Lead
from provisioning.models import Event
from tenants.models import Contact, Tenant
from tests.conftest import Caller, assert_error, at_once, call_back, open_run, report
from tests.make import make_address, make_key, make_lead, make_plan, make_tenant, sign_up_body

BODY = {"key": "acme", "domains": ["acme.example"]}


def lead_at_acme(**values):
    return make_lead(email="ada@acme.example", **values)


@pytest.mark.django_db
class TestALead:
    def test_gets_a_tenant_with_itself_as_the_primary_contact(self, caller_for):
        lead = lead_at_acme(address=make_address())
        answer = caller_for(lead).post(f"/leads/{lead.id}/tenants", BODY)
        assert answer.status_code == 200, answer.content
        tenant = answer.json()
        assert (tenant["name"], tenant["key"], tenant["status"]) == ("Acme Ltd", "acme", 1)
        assert tenant["leadId"] == tenant["lead"]["id"] == tenant["createdBy"] == str(lead.id)
        assert tenant["addressId"] == tenant["address"]["id"] == str(lead.address_id)
        assert tenant["resources"] == []
        (contact,) = tenant["contacts"]
        assert (contact["email"], contact["isPrimary"]) == ("ada@acme.example", True)

    def test_may_repeat_its_address_but_not_change_it(self, caller_for):
        lead = lead_at_acme(address=make_address(city="London", country="GB"))
        path = f"/leads/{lead.id}/tenants"
        answer = caller_for(lead).post(path, {**BODY, "city": "Paris"})
        assert_error(answer, 400, code="address_differs")
        assert not Tenant.objects.exists()
        assert caller_for(lead).post(path, {**BODY, "city": "London", "country": "GB"}).status_code == 200

    def test_without_an_address_gives_one_with_its_tenant(self, caller_for):
        lead = lead_at_acme()
        answer = caller_for(lead).post(f"/leads/{lead.id}/tenants", {**BODY, "city": "Paris", "country": "FR"})
        assert answer.json()["address"]["city"] == "Paris"

    def test_whose_mail_domain_is_not_among_the_domains_is_refused(self, caller_for):
        lead = lead_at_acme()
        answer = caller_for(lead).post(f"/leads/{lead.id}/tenants", {**BODY, "domains": ["other.example"]})
        assert_error(answer, 400, code="domain_missing")

    def test_may_write_its_domain_in_any_letter_case(self, caller_for):
        lead = lead_at_acme()
        answer = caller_for(lead).post(f"/leads/{lead.id}/tenants", {**BODY, "domains": ["ACME.example"]})
        assert answer.json()["domains"] == ["acme.example"]

    @pytest.mark.parametrize("domain", ["müller.example", "MÜLLER.example", "xn--mller-kva.example"])
    @pytest.mark.parametrize("email", ["ada@müller.example", "ada@xn--mller-kva.example"])
    def test_may_write_an_internationalised_domain_in_either_form(self, caller_for, email, domain):
        lead = make_lead(email=email)
        proposed = caller_for(lead).get(f"/leads/{lead.id}/proposal").json()
        assert (proposed["domains"], "muller" in proposed["keys"]) == (["xn--mller-kva.example"], True)
        answer = caller_for(lead).post(f"/leads/{lead.id}/tenants", {**BODY, "domains": [domain]})
        assert answer.json()["domains"] == proposed["domains"]
        twice = {"key": "acme2", "domains": ["müller.example", "xn--mller-kva.example"]}
        other = make_lead(email=email.replace("ada", "bob"))
        error = assert_error(caller_for(other).post(f"/leads/{other.id}/tenants", twice), 422)
        assert error["details"][0]["code"] == "uniqueItems"

    def test_that_is_not_validated_or_has_a_tenant_or_is_another_is_refused(self, caller_for):
        lead = lead_at_acme()
        path = f"/leads/{lead.id}/tenants"
        assert_error(caller_for(make_lead()).post(path, BODY), 401)
        assert caller_for(lead).post(path, BODY).status_code == 200
        assert_error(caller_for(lead).post(path, {**BODY, "key": "acme2"}), 401)
        fresh = make_lead(email="bob@acme.example", is_validated=False)
        assert_error(caller_for(fresh).post(f"/leads/{fresh.id}/tenants", BODY), 401)

    def test_cannot_have_a_key_that_another_tenant_has_until_that_is_deleted(self, caller_for):
        lead, other = lead_at_acme(), make_tenant(key="acme")
        path = f"/leads/{lead.id}/tenants"
        assert_error(caller_for(lead).post(path, BODY), 409, code="key_taken")
        Tenant.objects.filter(id=other.id).soft_delete(actor=None)
        assert caller_for(lead).post(path, BODY).status_code == 200


@pytest.mark.django_db
def test_staff_create_a_tenant_with_its_first_contact(staff):
    contact = {"firstName": "Ada", "lastName": "Lovelace", "email": "ada@acme.example", "isPrimary": True, "type": "it"}
    body = {**BODY, "name": "Acme", "contact": contact, "country": "GB"}
    answer = staff.post("/tenants", body)
    assert answer.status_code == 200, answer.content
    assert answer.json()["lead"] is None
    assert answer.json()["address"]["country"] == "GB"
    assert answer.json()["contacts"][0]["type"] == "it"
    assert_error(staff.post("/tenants", {**body, "key": "other", "domains": ["other.example"]}), 400)
    there = {**contact, "email": "ada@müller.example"}
    answer = staff.post("/tenants", {**body, "key": "muller", "contact": there, "domains": ["xn--mller-kva.example"]})
    assert answer.json()["contacts"][0]["email"] == "ada@xn--mller-kva.example"
    assert_error(staff.post("/tenants", {name: value for name, value in body.items() if name != "contact"}), 422)


@pytest.mark.django_db(transaction=True)
def test_the_whole_flow_takes_no_more_statements_than_these_and_no_savepoint(anyone):
    """BEGIN and COMMIT are counted. A step that has come to take fewer gets its lower number here."""
    plan, taken = make_plan(), {}

    def step(name, act):
        with CaptureQueriesContext(connection) as queries:
            answer = act()
        assert answer.status_code in (200, 204), answer.content
        taken[name] = [query["sql"] for query in queries.captured_queries]
        return answer

    step("sign up", lambda: anyone.post("/leads", sign_up_body(email="ada@acme.example")))
    lead = Lead.objects.get()
    path, key = f"/leads/{lead.id}", make_key(lead)
    caller = Caller(step("verify", lambda: Caller(key).post(f"{path}/verify")).json()["token"])
    tenant = step("onboard", lambda: caller.post(f"{path}/tenants", BODY)).json()["id"]
    step("provision", lambda: caller.post(f"/tenants/{tenant}/provision", {"planId": str(plan.id)}))
    run = open_run(tenant)
    body = report(run, resources=[{"type": "s3", "metadata": {"bucket": f"b{n}"}} for n in range(3)])
    step("report and first invoice", lambda: call_back(run, body))

    most = {"sign up": 6, "verify": 7, "onboard": 8, "provision": 12, "report and first invoice": 28}
    assert {name: len(found) for name, found in taken.items() if len(found) > most[name]} == {}
    assert not [sql for found in taken.values() for sql in found if "SAVEPOINT" in sql]


@pytest.mark.django_db(transaction=True)
class TestInARace:
    def test_twenty_requests_of_one_lead_make_one_tenant(self, caller_for):
        lead = lead_at_acme(address=make_address())
        answers = at_once(20, lambda n: caller_for(lead).post(f"/leads/{lead.id}/tenants", {**BODY, "key": f"acme{n}"}))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
        assert Tenant.objects.count() == Contact.objects.count() == 1

    def test_twenty_leads_that_want_one_key_make_one_tenant(self, caller_for):
        leads = [make_lead(email=f"ada{n}@acme.example") for n in range(20)]
        answers = at_once(20, lambda n: caller_for(leads[n]).post(f"/leads/{leads[n].id}/tenants", BODY))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 19
        assert Tenant.objects.count() == Contact.objects.count() == 1

    def test_one_lead_key_verified_twenty_times_works_once(self):
        lead = lead_at_acme(is_validated=False)
        key = make_key(lead)
        answers = at_once(20, lambda _: Caller(key).post(f"/leads/{lead.id}/verify"))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19

    def test_twenty_keys_of_one_lead_used_at_once_prove_its_address_once(self):
        lead = lead_at_acme(is_validated=False)
        keys = [make_key(lead) for _ in range(20)]
        answers = at_once(20, lambda n: Caller(keys[n]).post(f"/leads/{lead.id}/verify"))
        assert [answer.status_code for answer in answers] == [200] * 20
        assert Event.objects.filter(type="LEAD_VERIFIED").count() == 1

    def test_two_leads_with_one_email_verified_at_once_leave_one_validated(self):
        leads = [make_lead(email=email, is_validated=False) for email in ("ada@acme.example", "Ada@Acme.Example")]
        keys = [make_key(lead) for lead in leads]
        answers = at_once(2, lambda n: Caller(keys[n]).post(f"/leads/{leads[n].id}/verify"))
        assert sorted(answer.status_code for answer in answers) == [200, 409]

    def test_two_primary_contacts_at_once_leave_one(self, staff):
        tenant = make_tenant()
        body = {"firstName": "A", "lastName": "B", "isPrimary": True, "tenantId": str(tenant.id)}
        answers = at_once(10, lambda n: Caller(staff.token).post("/contacts", {**body, "email": f"a{n}@acme.example"}))
        assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9

    @pytest.mark.postgresql
    def test_two_hundred_onboardings_share_ten_connections_and_all_are_answered(self, caller_for):
        assert connection.settings_dict["OPTIONS"]["pool"]["max_size"] == 10
        leads = [make_lead(email=f"ada{n}@acme.example", address=make_address()) for n in range(200)]
        connection.close()
        answers = at_once(
            200,
            lambda n: caller_for(leads[n]).post(f"/leads/{leads[n].id}/tenants", {**BODY, "key": f"acme{n}"}),
        )
        assert [answer.status_code for answer in answers] == [200] * 200
        assert Tenant.objects.count() == 200

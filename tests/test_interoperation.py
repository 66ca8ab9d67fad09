"""An event out through EventBridge and SQS, read by a provisioner written for Node, which calls back."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioning import connectors
from provisioning.delivery import claim, deliver
from provisioning.models import Delivery
from tenants.models import Resource, Tenant, TenantStatus
from tests.conftest import EVENT
from tests.make import make_contact, make_run
from tests.test_aws import received

NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="NODE IS NOT INSTALLED: that signatures made with Node hold was NOT tested")
@pytest.mark.django_db(transaction=True)
def test_an_event_of_eventbridge_makes_a_node_provisioner_activate_the_tenant(aws, settings, live_server):
    settings.PUBLIC_URL, settings.EVENT_CONNECTORS = live_server.url, ["eventbridge"]
    events, sqs = aws("events"), aws("sqs")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="r", EventPattern=json.dumps({"detail-type": ["TENANT_PROVISIONING"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": arn}])
    connectors.active.cache_clear()
    try:
        run = make_run()
        make_contact(run.tenant, is_primary=True)
        for delivery in claim(10):
            deliver(delivery)
    finally:
        connectors.active.cache_clear()
    assert Delivery.objects.get().state == Delivery.State.DELIVERED
    (message,) = received(sqs, queue)
    detail = json.loads(message["Body"])["detail"]
    EVENT.validate(detail)
    script = Path(__file__).parent / "provisioner.mjs"
    found = subprocess.run([NODE, script], input=json.dumps(detail), capture_output=True, text=True, timeout=60)
    assert json.loads(found.stdout) == [401, 204, 204], found.stderr
    assert Tenant.objects.get().status == TenantStatus.ACTIVE
    assert Resource.objects.get(type="bucket").metadata["note"] == 'müller-緑-😀 \u2028 "quoted" \\ back'

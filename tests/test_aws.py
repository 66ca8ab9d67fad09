"""The cloud connectors against moto in server mode, over HTTP, and the Redis one against the real Redis."""

import json
import re
import subprocess
import sys

import pytest
import redis
from django.core import mail

from provisioning import connectors
from provisioning.connectors.base import PublishError
from tests.servers import free_port
from tests.world import manage

MESSAGE = {
    "id": "33f59bf9-17c6-464b-b744-967dfbffe878",
    "type": "TENANT_PROVISIONING",
    "tenant": {"id": "7c1f3b52-9a41-4f3e-8a55-0d8f1f6f2a10", "name": "緑 Ltd"},
    "subscription": {"id": "s", "plan": {"tier": "PREMIUM", "sizeConfig": {"cpu": 2, "disk": "10G"}}},
    "isolation": "silo",
    "pipeline": "silo-project",
    "secret": "00112233",
    "context": "0b9a1c3e-5d52-4c0a-9f0e-3f7f5a1c2d3e",
    "callbackUrl": "https://tenantry.example/webhook",
    "usersUrl": "https://tenantry.example/manage/users",
}


def connector(name: str):
    return connectors._make(name)


def received(client, queue: str) -> list[dict]:
    answer = client.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, MessageAttributeNames=["All"],
                                    MessageSystemAttributeNames=["All"])  # fmt: skip
    return answer.get("Messages", [])


class TestEventBridge:
    def test_a_rule_to_a_queue_delivers_the_event_whole(self, aws, settings):
        settings.EVENT_BUS_NAME = "saas"
        events, sqs = aws("events"), aws("sqs")
        events.create_event_bus(Name="saas")
        queue = sqs.create_queue(QueueName="q")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        pattern = json.dumps({"source": ["ARC-SAAS"], "detail-type": ["TENANT_PROVISIONING"]})
        events.put_rule(Name="r", EventBusName="saas", EventPattern=pattern)
        events.put_targets(Rule="r", EventBusName="saas", Targets=[{"Id": "1", "Arn": arn}])
        connector("eventbridge").publish(MESSAGE)
        connector("eventbridge").publish({**MESSAGE, "type": "TENANT_CREATED"})
        (message,) = received(sqs, queue)
        assert json.loads(message["Body"])["detail"] == MESSAGE

    def test_an_event_over_256_kib_is_a_permanent_error(self, aws):
        with pytest.raises(PublishError, match="bytes") as caught:
            connector("eventbridge").publish({**MESSAGE, "padding": "x" * 256 * 1024})
        assert caught.value.permanent

    @pytest.mark.parametrize(("code", "permanent"), [("ThrottlingException", False), ("MalformedDetail", True)])
    def test_an_entry_that_failed_in_a_call_that_succeeded_is_an_error(self, aws, monkeypatch, code, permanent):
        found = connector("eventbridge")
        failed = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "no"}]}
        monkeypatch.setattr(found.client, "put_events", lambda **_: failed)
        with pytest.raises(PublishError, match=code) as caught:
            found.publish(MESSAGE)
        assert caught.value.permanent is permanent


class TestSQS:
    def test_a_standard_queue_gets_the_json_and_the_type(self, aws, settings):
        sqs = aws("sqs")
        settings.EVENT_SQS_QUEUE_URL = sqs.create_queue(QueueName="plain")["QueueUrl"]
        connector("sqs").publish(MESSAGE)
        (message,) = received(sqs, settings.EVENT_SQS_QUEUE_URL)
        assert json.loads(message["Body"]) == MESSAGE
        assert message["MessageAttributes"]["type"]["StringValue"] == "TENANT_PROVISIONING"

    def test_a_text_that_sqs_refuses_is_sent_escaped_and_arrives_whole(self, aws, settings):
        """It takes #x9, #xA, #xD, #x20 to #xD7FF, #xE000 to #xFFFD and #x10000 to #x10FFFF."""
        sqs = aws("sqs")
        settings.EVENT_SQS_QUEUE_URL = sqs.create_queue(QueueName="odd")["QueueUrl"]
        told = {**MESSAGE, "name": "\x00\x1f\x7f\\\ufffe\uffff\ufffd緑\U0001ffff"}
        connector("sqs").publish(told)
        (message,) = received(sqs, settings.EVENT_SQS_QUEUE_URL)
        assert re.fullmatch("[\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*", message["Body"])
        assert json.loads(message["Body"]) == told

    def test_a_fifo_queue_orders_by_tenant_and_drops_a_repetition(self, aws, settings):
        sqs = aws("sqs")
        queue = sqs.create_queue(QueueName="ordered.fifo", Attributes={"FifoQueue": "true"})
        settings.EVENT_SQS_QUEUE_URL = queue["QueueUrl"]
        found = connector("sqs")
        found.publish(MESSAGE)
        found.publish(MESSAGE)
        (message,) = received(sqs, settings.EVENT_SQS_QUEUE_URL)
        assert message["Attributes"]["MessageGroupId"] == MESSAGE["tenant"]["id"]
        assert message["Attributes"]["MessageDeduplicationId"] == MESSAGE["id"]

    def test_a_message_over_256_kib_is_a_permanent_error_and_a_missing_queue_is_not(self, aws, settings):
        settings.EVENT_SQS_QUEUE_URL = "http://127.0.0.1:1/123456789012/none"
        with pytest.raises(PublishError) as caught:
            connector("sqs").publish({**MESSAGE, "padding": "x" * 256 * 1024})
        assert caught.value.permanent
        with pytest.raises(PublishError) as caught:
            connector("sqs").publish(MESSAGE)
        assert not caught.value.permanent


class TestCodeBuild:
    def test_starts_the_project_of_the_pipeline_with_the_variables(self, aws, settings):
        settings.SILOED_PIPELINE, settings.POOLED_PIPELINE = "silo-project", "pool-project"
        builds = aws("codebuild")
        builds.create_project(
            name="silo-project", source={"type": "S3", "location": "bucket/path"}, artifacts={"type": "NO_ARTIFACTS"},
            environment={"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
            serviceRole="arn:aws:iam::123456789012:role/service-role/r",
        )  # fmt: skip
        found = connector("codebuild")
        sent = {}
        original = found.client.start_build
        found.client.start_build = lambda **arguments: sent.update(arguments) or original(**arguments)
        found.publish(MESSAGE)
        assert sent["projectName"] == "silo-project"
        variables = {entry["name"]: entry["value"] for entry in sent["environmentVariablesOverride"]}
        assert json.loads(variables["tenant"]) == MESSAGE["tenant"]
        assert (variables["secret"], variables["context"]) == (MESSAGE["secret"], MESSAGE["context"])
        assert (variables["cpu"], variables["disk"]) == ("2", "10G")
        assert len(builds.list_builds_for_project(projectName="silo-project")["ids"]) == 1

    def test_takes_only_what_asks_for_a_build(self, aws, settings):
        settings.SILOED_PIPELINE, settings.POOLED_PIPELINE = "silo-project", "pool-project"
        found = connector("codebuild")
        assert found.takes("TENANT_PROVISIONING")
        assert not found.takes("LEAD_CREATED")


class TestRedis:
    def test_adds_to_a_stream(self, settings):
        settings.EVENT_REDIS_STREAM = "test:events"
        store = redis.Redis.from_url(settings.REDIS_URL)
        store.delete("test:events")
        connector("redis").publish(MESSAGE)
        ((_, fields),) = store.xrange("test:events")
        assert fields[b"type"] == b"TENANT_PROVISIONING"
        assert json.loads(fields[b"event"]) == MESSAGE
        store.close()

    def test_bounds_the_stream(self, settings, monkeypatch):
        monkeypatch.setattr("provisioning.connectors.redis.MAX_LENGTH", 10)
        settings.EVENT_REDIS_STREAM = "test:bounded"
        with redis.Redis.from_url(settings.REDIS_URL) as store:
            store.delete("test:bounded")
            found = connector("redis")
            for _ in range(300):
                found.publish(MESSAGE)
            assert 10 <= store.xlen("test:bounded") < 200  # whole blocks, of 100 entries by default, are dropped

    def test_that_is_away_or_refuses_can_be_tried_again(self, settings):
        settings.EVENT_REDIS_STREAM = "test:string"
        store = redis.Redis.from_url(settings.REDIS_URL)
        store.set("test:string", "x")
        with pytest.raises(PublishError, match="refused") as caught:
            connector("redis").publish(MESSAGE)
        assert not caught.value.permanent
        store.delete("test:string")
        store.close()
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        with pytest.raises(PublishError, match="reached"):
            connector("redis").publish(MESSAGE)


def test_commands_say_nothing_of_how_boto3_finds_its_way(tmp_path):
    said = manage(
        "check", EVENT_CONNECTOR="eventbridge", AWS_ENDPOINT_URL="http://127.0.0.1:1", AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test", LOG_LEVEL="info", VAR_DIR=str(tmp_path),
    )  # fmt: skip
    assert (said.returncode, said.stderr) == (0, "")


def test_aws_that_cannot_be_reached_can_be_tried_again(aws, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(PublishError, match="reached") as caught:
        connector("eventbridge").publish(MESSAGE)
    assert not caught.value.permanent


def test_a_mail_that_ses_does_not_take_is_given_up_within_the_lease(aws, settings):
    mailer = mail.get_connection("anymail.backends.amazon_ses.EmailBackend")
    mailer.open()
    config = mailer.client.meta.config
    longest = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert longest < settings.EVENT_LEASE.total_seconds()
    mailer.close()


def test_the_sdks_are_imported_only_where_they_are_used():
    heavy = "{'boto3', 'keycloak', 'auth0', 'httpx', 'pydantic', 'reportlab'}"
    code = (
        f"import django, sys; django.setup(); import config.urls; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

"""Amazon Cognito user pools, by boto3's `cognito-idp`.

A PREMIUM tenant has a pool named by its key; the others share their tier's, in which each is a group. Each tenant has
an app client with a secret. Cognito itself mails the first user a temporary password.

Neither pools nor app clients have unique names. Pools are told apart by a tag; an app client's name holds the tenant's
id.
"""

from django.conf import settings

from identity.providers.aws import ABSENT, AwsProvider, client, code_of
from identity.providers.base import MARK, Step, TenantProfile, required

SHARED_MARK = "tenantry.shared"
PAGE = 60  # the most that Cognito lists at once
NO_PASSWORD_YET = "FORCE_CHANGE_PASSWORD"  # noqa: S105  (a user's status)


class CognitoProvider(AwsProvider):
    def __init__(self):
        self.domain = required("DOMAIN_NAME")
        self.api = client("cognito-idp")

    def connect(self):
        return self.api

    def check(self, client):
        client.list_user_pools(MaxResults=1)

    def steps(self, client, tenant, memory):
        name = self.home(tenant)
        pool = yield Step(
            "user pool",
            f"user pool {name}",
            look=lambda: self._pool(client, name, tenant),
            do=lambda: self._create_pool(client, name, tenant),
            shared=not tenant.is_silo,
        )
        if not tenant.is_silo:
            yield Step(
                "group",
                f"group {tenant.key} in {name}",
                look=lambda: self._group(client, pool, tenant),
                do=lambda: client.create_group(
                    UserPoolId=pool, GroupName=tenant.key, Description=f"{MARK}={tenant.id}"
                ),
            )
        yield Step(
            "app client",
            f"app client of {tenant.key} in {name}",
            look=lambda: self._kept(memory, self._app(client, pool, tenant)),
            do=lambda: self._kept(memory, self._create_app(client, pool, tenant)),
        )
        email = tenant.admin.email.lower()
        created: dict[str, dict] = {}  # in this attempt: Cognito has just written to them
        user = yield Step(
            "user",
            f"user {email} in {name}",
            look=lambda: self._user(client, pool, email),
            do=lambda: created.setdefault(email, self._create_user(client, pool, tenant, email)),
        )
        if not tenant.is_silo:
            yield Step(
                "membership",
                f"membership of {email} in group {tenant.key}",
                look=lambda: tenant.key in self._groups(client, pool, user) or None,
                do=lambda: client.admin_add_user_to_group(
                    UserPoolId=pool, Username=user["Username"], GroupName=tenant.key
                ),
            )
        # The answer to the creation may have been lost, or Cognito's mail: then once too often is better than never.
        yield Step(
            "invitation",
            f"mail to {email}: a temporary password",
            look=lambda: "sent" if created or user["UserStatus"] != NO_PASSWORD_YET else None,
            do=lambda: client.admin_create_user(
                UserPoolId=pool, Username=email, MessageAction="RESEND", DesiredDeliveryMediums=["EMAIL"]
            ),
        )
        return lambda: _attribute(user, "sub")

    def _pool(self, client, name: str, tenant: TenantProfile) -> str | None:
        mark, value = (MARK, str(tenant.id)) if tenant.is_silo else (SHARED_MARK, name)
        for page in client.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": PAGE}):
            for brief in page["UserPools"]:
                if brief["Name"] == name:
                    pool = client.describe_user_pool(UserPoolId=brief["Id"])["UserPool"]
                    if pool.get("UserPoolTags", {}).get(mark) == value:
                        return brief["Id"]
        return None

    def _create_pool(self, client, name: str, tenant: TenantProfile) -> str:
        days = max(1, settings.IDENTITY_INVITATION_EXPIRY // 86_400)
        pool = client.create_user_pool(
            PoolName=name,
            UserPoolTags={MARK: str(tenant.id)} if tenant.is_silo else {SHARED_MARK: name},
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            AutoVerifiedAttributes=["email"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            AccountRecoverySetting={"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
            Policies={
                "PasswordPolicy": {
                    "MinimumLength": 12,
                    "RequireLowercase": True,
                    "RequireUppercase": True,
                    "RequireNumbers": True,
                    "RequireSymbols": False,
                    "TemporaryPasswordValidityDays": min(days, 365),
                }
            },
        )
        return pool["UserPool"]["Id"]

    def _group(self, client, pool: str, tenant: TenantProfile) -> dict | None:
        group = _unless_absent(client.get_group, UserPoolId=pool, GroupName=tenant.key)
        if group is None:
            return None
        mark = group["Group"].get("Description", "").removeprefix(f"{MARK}=")
        self.must_be_of(tenant, mark, f"group {tenant.key}")
        return group

    def _app(self, client, pool: str, tenant: TenantProfile) -> dict | None:
        pages = client.get_paginator("list_user_pool_clients").paginate(
            UserPoolId=pool, PaginationConfig={"PageSize": PAGE}
        )
        for page in pages:
            for brief in page["UserPoolClients"]:
                if brief["ClientName"] == self._app_name(tenant):
                    found = client.describe_user_pool_client(UserPoolId=pool, ClientId=brief["ClientId"])
                    return found["UserPoolClient"]
        return None

    def _kept(self, memory, app: dict | None) -> dict | None:
        if app is not None:
            memory.keep(user_pool=app["UserPoolId"], client_id=app["ClientId"], client_secret=app["ClientSecret"])
        return app

    def _app_name(self, tenant: TenantProfile) -> str:
        return f"{tenant.key} {tenant.id}"

    def _create_app(self, client, pool: str, tenant: TenantProfile) -> dict:
        own = f"https://{tenant.key}.{self.domain}/"
        local = [] if settings.PRODUCTION else ["http://localhost:3000/"]
        made = client.create_user_pool_client(
            UserPoolId=pool,
            ClientName=self._app_name(tenant),
            GenerateSecret=True,
            SupportedIdentityProviders=["COGNITO"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthFlows=["code"],
            AllowedOAuthScopes=["openid", "email", "profile"],
            CallbackURLs=[own, *local],
            LogoutURLs=[own, *local],
            ExplicitAuthFlows=["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"],
            PreventUserExistenceErrors="ENABLED",
        )
        return made["UserPoolClient"]

    def _user(self, client, pool: str, email: str) -> dict | None:
        found = _unless_absent(client.admin_get_user, UserPoolId=pool, Username=email)
        return found and {**found, "Attributes": found["UserAttributes"]}

    def _create_user(self, client, pool: str, tenant: TenantProfile, email: str) -> dict:
        attributes = {
            "email": email,
            "email_verified": "true",
            "given_name": tenant.admin.first_name,
            "family_name": tenant.admin.last_name,
        }
        return client.admin_create_user(
            UserPoolId=pool,
            Username=email,
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
            DesiredDeliveryMediums=["EMAIL"],
        )["User"]

    def _groups(self, client, pool: str, user: dict) -> list[str]:
        pages = client.get_paginator("admin_list_groups_for_user").paginate(UserPoolId=pool, Username=user["Username"])
        return [group["GroupName"] for page in pages for group in page["Groups"]]


def _attribute(user: dict, name: str) -> str:
    return next(each["Value"] for each in user["Attributes"] if each["Name"] == name)


def _unless_absent(method, **arguments):
    try:
        return method(**arguments)
    except method.__self__.exceptions.ClientError as error:
        if code_of(error) in ABSENT:
            return None
        raise

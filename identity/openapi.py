"""How the OpenAPI description names our bearer tokens."""

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class BearerToken(OpenApiAuthenticationExtension):
    target_class = "identity.authentication.JWTAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema):
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "Of POST /auth/token, of a lead's verification, or minted elsewhere with the same secret.",
        }

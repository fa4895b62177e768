# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Entra ID for one tenant: client secrets, client certificates, federated assertions; opaque tokens with an audience.

Shapes: azure-docs v2-oauth2-client-creds-grant-flow; errors with the AADSTS codes that azure-identity shows its users.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

LIFETIME = 3599  # seconds
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefused(Exception):
    """Unknown, expired, or for another audience; the message says which."""


class LoginRefused(Exception):
    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": error, "error_description": f"AADSTS{number}: {message}", "error_codes": [number]}


class Tokens:
    def __init__(self, tenant: dict) -> None:
        self.tenant = tenant
        self._known: dict[str, tuple[str, str, float]] = {}

    def issue(self, client_id: str, audience: str, lifetime: float = LIFETIME, now: float | None = None) -> str:
        token = secrets.token_urlsafe(32)
        self._known[token] = (client_id, audience.rstrip("/"), (time.time() if now is None else now) + lifetime)
        return token

    def check(self, token: str, audiences: set[str], now: float | None = None) -> str:
        """The client's id; raises TokenRefused."""
        if token not in self._known:
            raise TokenRefused("the token is unknown")
        client_id, audience, expires = self._known[token]
        if audience not in audiences:
            raise TokenRefused(f"the token's audience is {audience}, not {' or '.join(sorted(audiences))}")
        if expires <= (time.time() if now is None else now):
            raise TokenRefused("the token is expired")
        return client_id

    def expire_all(self) -> None:
        self._known = {token: (client, audience, 0.0) for token, (client, audience, _expires) in self._known.items()}

    def judge(self, form: dict[str, str]) -> str:
        """The client whose secret, certificate or federated assertion a token request shows; raises LoginRefused."""
        clients = {item["client_id"]: item for item in self.tenant["clients"]}
        client = clients.get(form.get("client_id", ""))
        if client is None:
            raise LoginRefused(400, "unauthorized_client", 700016, "the application was not found in the directory")
        if "client_secret" in form:
            good = hmac.compare_digest(form["client_secret"].encode(), str(client["secret"]).encode())
            if not good:
                raise LoginRefused(401, "invalid_client", 7000215, "invalid client secret provided")
        elif form.get("client_assertion_type") == ASSERTION:
            _check_assertion(client, form.get("client_assertion", ""))
        else:
            raise LoginRefused(401, "invalid_client", 7000216, "no client_secret or client_assertion")
        return client["client_id"]


def _check_assertion(client: dict, text: str) -> None:
    """A JWT signed with the client's certificate (RFC 7523), or the federated assertion that the configuration names."""
    federated = client.get("federated")
    if federated and hmac.compare_digest(text.encode(), federated.encode()):
        return
    try:
        head, payload, signature = text.split(".")
        header, claims = (json.loads(_decode(part)) for part in (head, payload))
        certificate = x509.load_pem_x509_certificate(Path(client["certificate"]).read_bytes())
        key = certificate.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
        scheme = pss if header["alg"] == "PS256" else padding.PKCS1v15()
        key.verify(_decode(signature), f"{head}.{payload}".encode(), scheme, hashes.SHA256())
    except (ValueError, KeyError, TypeError, AssertionError, InvalidSignature, OSError) as exc:
        raise LoginRefused(401, "invalid_client", 700027, "the client assertion's signature is not valid") from exc
    if claims.get("exp", 0) <= time.time() or claims.get("iss") != client["client_id"]:
        raise LoginRefused(401, "invalid_client", 700024, "the client assertion is not within its valid time range")


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def make_login_app(world) -> web.Application:
    """login.microsoftonline.com."""
    tokens: Tokens = world.tokens

    def check_tenant(request: web.Request) -> str:
        if request.match_info["tenant"] != tokens.tenant["id"]:
            raise LoginRefused(400, "invalid_request", 90002, f"tenant {request.match_info['tenant']!r} not found")
        return f"https://{request.host}/{tokens.tenant['id']}"

    async def discovery(request: web.Request) -> web.Response:
        base = check_tenant(request)
        return web.json_response(
            {
                "issuer": f"{base}/v2.0",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
            }
        )

    async def instances(request: web.Request) -> web.Response:
        endpoint = f"https://{request.host}/{tokens.tenant['id']}/v2.0/.well-known/openid-configuration"
        names = {"preferred_network": request.host, "preferred_cache": request.host, "aliases": [request.host]}
        return web.json_response({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": [names]})

    async def token(request: web.Request) -> web.Response:
        check_tenant(request)
        form = {name: str(value) for name, value in (await request.post()).items()}
        client = tokens.judge(form)
        scopes = [scope for scope in form.get("scope", "").split() if scope.endswith("/.default")]
        if not scopes:
            raise LoginRefused(400, "invalid_scope", 70011, "the scope must end with /.default")
        given = tokens.issue(client, scopes[0].removesuffix(".default"))
        return web.json_response({"token_type": "Bearer", "expires_in": LIFETIME, "access_token": given})

    app = web.Application(middlewares=[_refusals])
    app.router.add_get("/common/discovery/instance", instances)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", discovery)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", token)
    return app


@web.middleware
async def _refusals(request: web.Request, handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except LoginRefused as exc:
        return web.json_response(exc.body, status=exc.status)

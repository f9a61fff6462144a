"""
Who has signed in with a browser: one login token, then a cookie. Kept in memory, as hashes; time is passed in.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import urlencode

TOKEN_LIFE_S = 600.0
SESSION_LIFE_S = 12 * 3600.0
_MOST_SESSIONS = 16


class Sessions:
    """
    The sessions of one server; *token* opens the first one, once, within ten minutes of *now*.

    A token has 256 random bits; without one it is drawn here.
    """

    def __init__(self, now: float, *, token: str | None = None) -> None:
        self._token = secrets.token_urlsafe(32) if token is None else token
        self._expected: bytes | None = _digest(self._token)
        self._token_ends = now + TOKEN_LIFE_S
        self._ends: dict[bytes, float] = {}

    def login_url(self, base: str) -> str:
        """The address that signs its reader in."""
        return f"{base}/login?{urlencode({'token': self._token})}"

    def redeem(self, token: str, now: float) -> str | None:
        """A session's secret for the login token; None for any other, for one that was used, or is too old."""
        same = hmac.compare_digest(_digest(token), self._expected or b"")
        if not same or now >= self._token_ends:
            return None
        self._expected = None
        return self._begin(now)

    def known(self, secret: str, now: float) -> bool:
        """Whether *secret* is that of a session that has not ended."""
        return self._ends.get(_digest(secret), 0.0) > now

    def end(self, secret: str) -> None:
        """Sign out."""
        self._ends.pop(_digest(secret), None)

    def _begin(self, now: float) -> str:
        secret = secrets.token_urlsafe(32)
        live = {key: end for key, end in self._ends.items() if end > now}
        self._ends = dict(list(live.items())[1 - _MOST_SESSIONS :])
        self._ends[_digest(secret)] = now + SESSION_LIFE_S
        return secret


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()

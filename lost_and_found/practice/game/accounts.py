"""The accounts that play: any e-mail address, with one password for all."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass

PASSWORD = "practice"


@dataclass
class Account:
    """A player.

    Attributes:
        email: names the account.
        limited_until: time at which the account's rate limit ends.
    """

    email: str
    limited_until: float = -math.inf

    @property
    def name(self) -> str:
        """The name that other players see."""
        return self.email.partition("@")[0]


class Accounts:
    """Accounts and their sessions; an account may have several.

    Attributes:
        log_ins: how many succeeded.
        refused_log_ins: how many did not.
    """

    def __init__(self) -> None:
        self.log_ins = 0
        self.refused_log_ins = 0
        self._accounts: dict[str, Account] = {}
        self._sessions: dict[str, Account] = {}

    def log_in(self, email: str, password: str) -> str | None:
        """A new session, or None if the password is wrong."""
        email = email.strip().lower()
        if not email or password != PASSWORD:
            self.refused_log_ins += 1
            return None
        self.log_ins += 1
        session = secrets.token_urlsafe(24)
        self._sessions[session] = self._accounts.setdefault(email, Account(email))
        return session

    def of(self, session: str | None) -> Account | None:
        """The account of a session."""
        return self._sessions.get(session or "")

    def log_out(self, session: str | None) -> None:
        """End a session."""
        self._sessions.pop(session or "", None)

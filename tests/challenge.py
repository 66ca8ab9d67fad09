"""A challenge without its provider."""

from typing import ClassVar

from leads.challenges.turnstile import Turnstile

WIDGET = """
const answer = Object.assign(document.createElement("input"), { type: "hidden", name: "cf-turnstile-response" });
window.turnstile = { reset() { answer.value = Math.random(); } };
addEventListener("load", () => document.querySelector(".cf-turnstile").append(answer));
turnstile.reset();
"""
"""In the place of Turnstile's script, which shows nothing here."""


class Once(Turnstile):
    """Takes every answer, once."""

    taken: ClassVar[set[str]] = set()

    def passes(self, response, address):
        fresh = response not in self.taken
        self.taken.add(response)
        return fresh

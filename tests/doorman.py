"""A challenge that lets everybody in, and takes its time over it."""

import time

from leads.challenges.base import Challenge


class Doorman(Challenge):
    def passes(self, response, address):
        time.sleep(2)
        return True

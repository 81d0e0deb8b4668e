"""Waiting with a deadline, for something that can be looked at."""

import http.client
import time


class TimedOut(AssertionError):
    """What was waited for did not happen; the message says what was seen last."""


class Deadline:
    """A point in time that waits share, so that several in a row stay within one limit."""

    def __init__(self, seconds):
        self.limit = seconds
        self._end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self._end - time.monotonic())

    def over(self):
        return self.left() == 0.0


def eventually(what, look, seconds=60, every=0.25):
    """Calls look() until it answers something true, which is returned.

    look() raises an AssertionError or answers something false while it is not yet so, and a server
    that is being restarted may not answer at all; the last answer or error stands in the message
    when the deadline passes.
    """
    deadline = Deadline(seconds)
    while True:
        try:
            seen = look()
            if seen:
                return seen
        except (AssertionError, OSError, http.client.HTTPException) as error:
            seen = error
        if deadline.over():
            raise TimedOut(f"not within {seconds} s: {what}; seen last: {seen!r}"[:4000])
        time.sleep(min(every, deadline.left() + 0.01))


def always(what, look, seconds, every=0.25):
    """Calls look() for as long as `seconds`; the first false answer is a failure."""
    deadline = Deadline(seconds)
    while True:
        seen = look()
        if not seen:
            raise AssertionError(f"not so any more: {what}; seen: {seen!r}")
        if deadline.over():
            return
        time.sleep(every)

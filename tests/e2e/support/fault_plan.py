"""Which write of an operator is its last: the proxies in front of API server and log ask here.

A write is whatever others can see of an operator: a request that changes an object of the cluster, or
a group of events appended to the log. Leases and dry runs do not count.
"""

import collections
import threading

Write = collections.namedtuple("Write", "what target code body")


class FaultPlan:
    """Counts writes; ends the operator at one of them. Used by the proxies' threads.

    die_at: the write at which the operator dies: its number (from 1), or its kind: the first of that
    kind. None: at none. after: the write takes effect and only its answer is lost; else it never
    happens.
    """

    def __init__(self, die_at=None, after=True):
        self.die_at, self.after = die_at, after
        self.kinds = set()      # of the writes that have begun
        self.die = None         # set by whoever owns the operator: ends it, and starts the next one
        self.struck = []        # what the write was at which it died
        self.writes = []        # what took effect, in the order of the answers
        self.begun = 0
        self._lock = threading.Lock()

    def begin(self, what):
        """A write is about to be passed on; True: it is the last one."""
        with self._lock:
            self.begun += 1
            first = what not in self.kinds
            self.kinds.add(what)
            return self.die_at == self.begun or (first and self.die_at == what)

    def done(self, write):
        with self._lock:
            self.writes.append(write)

    def strike(self, what):
        self.struck.append(what)
        self.die()

    def seen(self, what, codes=(200, 201, 202)):
        with self._lock:
            return [write for write in self.writes
                    if write.what == what and (write.code in codes or not codes)]

"""What the operator costs the API server."""

import time

from support.session import EndToEndTest, key
from support.waiting import eventually


class QuietTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.session.wait_left()

    @key
    def test_a_satisfied_want_for_one_partition_costs_at_most_six_writes(self):
        self.graph.job("one", "cost/{n}")
        self.graph.accepted("one")
        self.wait_quiet()
        position = self.session.audit.position()
        self.graph.want("cheap", "cost/1")
        self.graph.ready("cheap")
        eventually("the Job is removed", lambda: not self.kube.list("Job", self.graph.name), 60)
        self.wait_quiet()
        writes = [request for request in self.requests(position) if request.is_write()]
        print(f"    {len(writes)} writes for one want", flush=True)
        self.assertLessEqual(len(writes), 6, "\n".join(map(repr, writes)))

    @key
    def test_two_idle_minutes_write_and_list_nothing(self):
        self.graph.job("one", "idle/{n}")
        self.graph.accepted("one")
        self.graph.want("kept", "idle/1", "idle/2")
        self.graph.ready("kept")
        self.wait_quiet()
        position = self.session.audit.position()
        time.sleep(120)  # the two minutes that are measured
        noise = [request for request in self.requests(position)
                 if request.is_write() or request.is_list()]
        self.assertEqual(noise, [])

    def requests(self, position):
        return self.session.audit.entries(position, self.operator.user())

    def wait_quiet(self, seconds=35):
        """Until the operator has written nothing for longer than it may put off a counter (30 s)."""
        position, since = self.session.audit.position(), time.monotonic()

        def look():
            nonlocal position, since
            end = self.session.audit.position()
            if any(request.is_write() for request in self.requests(position)):
                since = time.monotonic()
            position = end
            return time.monotonic() - since > seconds

        eventually("the operator has nothing left to write", look, 180, every=1)

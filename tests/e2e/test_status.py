"""What people see: kubectl's columns, conditions that tools understand, explanations."""

import re

from support.graph import condition
from support.session import EndToEndTest, key
from support.waiting import always

CONDITIONS = {"Ready", "Reconciling", "Stalled", "SLAMet", "Expired"}


class WantStatusTest(EndToEndTest):
    @key
    def test_columns_and_conditions_of_a_want_under_way_and_ready(self):
        self.graph.job("slow", "cols/{n}", options=["--sleep=6"])
        self.graph.accepted("slow")
        self.graph.want("seen", "cols/1", "cols/2")
        self.graph.wait("Want", "seen", "Reconciling", reason="Building", seconds=30)
        header, row = self.columns("seen")
        self.assertEqual(header, ["NAME", "READY", "REASON", "PROGRESS", "SLA", "AGE"])
        self.assertEqual(row[:4], ["seen", "False", "Building", "0/2"])

        found = self.graph.ready("seen")
        _, row = self.columns("seen")
        self.assertEqual(row[:4], ["seen", "True", "Available", "2/2"])
        kinds = {item["type"]: item for item in found["status"]["conditions"]}
        self.assertEqual(set(kinds), CONDITIONS)
        self.assertEqual({kind: item["status"] for kind, item in kinds.items()},
                         {"Ready": "True", "Reconciling": "False", "Stalled": "False",
                          "SLAMet": kinds["SLAMet"]["status"], "Expired": "False"})
        generation = found["metadata"]["generation"]
        self.assertEqual(found["status"]["observedGeneration"], generation)
        for item in kinds.values():
            self.assertEqual(item["observedGeneration"], generation, item["type"])
        self.assertEqual(found["status"]["wantId"], found["metadata"]["uid"])
        self.assertEqual(found["metadata"].get("finalizers", []), [])

    def columns(self, name):
        lines = self.kube.kubectl("-n", self.graph.name, "get", "want", name).splitlines()
        return re.split(r"\s+", lines[0].strip()), re.split(r"\s\s+", lines[1].strip())

    def test_a_want_that_is_late_says_so_and_one_in_time_too(self):
        self.graph.job("one", "sla/{n}")
        self.graph.accepted("one")
        self.graph.want("late", "sla/nobody/makes", dataTimestamp="2013-01-01T00:00:00Z", sla="1h")
        self.graph.wait("Want", "late", "SLAMet", "False", seconds=30)
        self.graph.want("early", "sla/1", sla="1h")
        self.graph.ready("early")
        self.assertEqual(self.graph.condition("Want", "early", "SLAMet")["status"], "True")

    def test_a_want_expires_at_its_time_to_live(self):
        self.graph.want("brief", "ttl/nobody", ttl="3s")
        found = self.graph.wait("Want", "brief", "Expired", seconds=30)
        self.assertEqual(condition(found, "Ready")["status"], "False")
        self.assertEqual(self.graph.settled_log().want("brief").state, "EXPIRED")

    def test_a_suspended_want_starts_nothing_until_it_is_resumed(self):
        self.graph.job("one", "halt/{n}")
        self.graph.accepted("one")
        self.graph.want("paused", "halt/1", suspend=True)
        self.graph.wait("Want", "paused", "Ready", "False", "Suspended", seconds=30)
        always("nothing runs", lambda: not self.graph.journal().lines(), 3)
        self.kube.patch("Want", self.graph.name, "paused", {"spec": {"suspend": False}})
        self.graph.ready("paused")

    def test_everything_is_explained(self):
        for path in ("want.spec.ranges.captures", "want.status.details", "taint.spec.cascade",
                     "datajob.spec.retry.infrastructureLimit", "datajob.spec.inputs.partition"):
            text = self.kube.kubectl("explain", path)
            description = text.split("DESCRIPTION:", 1)[1].strip()
            self.assertNotIn("<empty>", description, path)


class AccessTest(EndToEndTest):
    claim = False

    @key
    def test_the_api_refuses_callers_without_a_token_or_without_rights(self):
        self.graph.want("seen", "access/nobody")
        self.graph.wait("Want", "seen", "Ready", "False", "NoProducer", seconds=30)
        path = f"/api/v1/graphs/{self.graph.name}/wants"
        anonymous = self.operator.anonymous_api()
        self.assertEqual(anonymous.exchange("GET", path)[0], 401)
        anonymous.token = "not-a-token"
        self.assertEqual(anonymous.exchange("GET", path)[0], 401)
        anonymous.token = self.kube.token(self.graph.name, "default", "databuild")
        self.assertEqual(anonymous.exchange("GET", path)[0], 403)
        anonymous.token = self.kube.token(self.graph.name, "default", "somebody-else")
        self.assertEqual(anonymous.exchange("GET", path)[0], 401)
        self.assertEqual(self.operator.api().exchange("GET", path)[0], 200)

    @key
    def test_health_and_metrics_tell_what_happened(self):
        self.graph.want("seen", "metrics/nobody")
        self.graph.wait("Want", "seen", "Ready", "False", "NoProducer", seconds=30)
        host, port = self.operator.service("metrics")
        api = self.operator.anonymous_api()
        api.host, api.port = host, port
        for path in ("/livez", "/readyz"):
            self.assertEqual(api.exchange("GET", path)[0], 200, path)
        status, text, _ = api.exchange("GET", "/metrics")
        self.assertEqual(status, 200)
        text = text.decode()
        for name in ("databuild_wants", "databuild_partitions", "databuild_events_appended_total",
                     "databuild_build_info"):
            self.assertRegex(text, rf"(?m)^{name}(\{{|\s)", name)
        self.assertRegex(text, rf'databuild_wants\{{[^}}]*graph="{self.graph.name}"')

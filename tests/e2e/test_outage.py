"""The database goes away for a minute while January is built: work stops, and then goes on."""

import socket
import time

from support import flights
from support.api import Api
from support.backends import POSTGRES_NAMESPACE
from support.event_log import EventLog
from support.kube import path_of
from support.operator import NAMESPACE, ready
from support.session import EndToEndTest, long_form, only_on
from support.waiting import always, eventually

NAME = "databuild-postgres"
AWAY = 60  # seconds
BACK_AT_WORK = 5  # seconds after the database answers again


class OutageTest(EndToEndTest):
    @long_form
    @only_on("postgres")
    def test_january_survives_a_minute_without_postgres(self):
        flights.apply_jobs(self.graph)
        self.graph.apply(flights.example(self.kube, "want-january.yaml"))
        journal = self.graph.journal()
        moment = self.random.randrange(10, 70)
        eventually(f"the journal has {moment} lines", lambda: len(journal.lines()) >= moment, 180,
                   every=0.05)
        operator = self.operator.pod()
        # Not by the Service: an operator that cannot write is not ready.
        api = Api(operator["status"]["podIP"], 8080, self.operator.api().token)
        graph = api.graph(self.graph.name)

        self.scale(0)
        self.kube.delete("Pod", POSTGRES_NAMESPACE, f"{NAME}-0", grace=0)
        self.kube.wait_for(("Pod", POSTGRES_NAMESPACE, f"{NAME}-0"), "is gone",
                           lambda found: found is None)
        # The pod's object is gone at once, its processes end a moment later.
        self.operator_notices(operator)
        head = int(graph.events_page(10**12)["head_idx"])
        scheduled = set(EventLog(graph.events()).runs)
        print(f"    killed Postgres at idx {head}, {len(journal.lines())} lines of the journal",
              flush=True)

        def nothing_is_begun():
            self.assertEqual(int(graph.events_page(10**12)["head_idx"]), head)
            self.assertLessEqual(self.runs_with_jobs(), scheduled)
            return True

        always("reads go on, and nothing is begun", nothing_is_begun, AWAY)
        self.scale(1)
        eventually("Postgres listens", self.listens, 60, every=0.02)
        back = time.monotonic()
        eventually("the log grows", lambda: int(graph.events_page(10**12)["head_idx"]) > head,
                   BACK_AT_WORK, every=0.05)
        print(f"    back at work {time.monotonic() - back:.1f} s after Postgres", flush=True)

        self.graph.ready("january", seconds=240)
        self.assertIn("66 of 66 files agree", flights.compare(self.graph, "--month", "2013-01"))
        self.graph.assert_built_once(66)
        after = self.operator.wait_ready()
        self.assertEqual(after["metadata"]["uid"], operator["metadata"]["uid"])
        self.assertEqual(after["status"]["containerStatuses"][0]["restartCount"], 0)

    def operator_notices(self, pod):
        """Waits until the operator says that it is not ready: it tried to append and could not."""
        self.kube.wait_for(("Pod", NAMESPACE, pod["metadata"]["name"]), "is not ready",
                           lambda found: not ready(found))

    def scale(self, replicas):
        self.kube.patch("StatefulSet", POSTGRES_NAMESPACE, NAME, {"spec": {"replicas": replicas}})

    def runs_with_jobs(self):
        return {job["metadata"]["labels"]["databuild.dev/run"]
                for job in self.kube.list("Job", self.graph.name)}

    def listens(self):
        service = self.kube.request("GET", path_of("Service", POSTGRES_NAMESPACE, NAME))
        address = (service["spec"]["clusterIP"], 5432)
        with socket.create_connection(address, timeout=1):
            return True

"""Who may do what by the API, and that what is put there is what kubectl would have put.

Real ServiceAccounts, RBAC and tokens; API keys made by the subcommand, mounted by the kubelet.
"""

import json
import os
import pathlib
import re
import subprocess

from support.alone import quick_job
from support.graph import taint, want
from support.kube import GROUP
from support.operator import NAMESPACE
from support.session import EndToEndTest, key
from support.waiting import eventually

RBAC = "rbac.authorization.k8s.io"
CALLER = "databuild.dev/caller"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# What may differ between a Want by kubectl and one by the API: ids, times, who asked, and names.
DIFFERENT = {"timestamp", "idx", "event_id", "name", "job_name", "source_name", "graph_id"}

# (door, verb, path or rpc, body); the graph stands for {graph}.
QUESTIONS = {
    "list wants": ("GET", "wants", None),
    "get want": ("GET", "wants/{want}", None),
    "list jobs": ("GET", "jobs", None),
    "events": ("GET", "events", None),
    "logs": ("GET", "job_runs/none/logs", None),
    "put want": ("POST", "wants", {"wants": [{"ref": {"str": "access/1"}}], "comment": "matrix",
                                   "idempotency_key": "matrix"}),
    "put taint": ("POST", "taints", {"refs": [{"str": "access/none"}], "comment": "matrix",
                                     "idempotency_key": "matrix"}),
}
READS = ["list wants", "get want", "list jobs", "events", "logs"]
WRITES = ["put want", "put taint"]
ALL = READS + WRITES
# Who -> what they may do in the test's graph, and what in another one. Everything else is refused:
# with 403 to those who are known, with 401 to those who are not.
MAY = {
    "viewer": (READS, []),
    "editor": (ALL, []),
    "wanter": (["put want"], []),
    "lister": (["list wants"], []),
    "nobody": ([], []),
    "visitor": ([], READS),
    "key reader": (READS, []),
    "key wanter": (["put want"], []),
    "key tainter": (["put taint"], []),
    "key both": (READS + ["put want"], []),
    "key admin": (ALL, []),
    "key everywhere": (READS, READS),
    "key elsewhere": ([], ALL),
}
UNKNOWN = ["no token", "garbage", "the API server's token", "another audience", "key expired", "key revoked",
           "key made up", "key in part"]


def normal(value, seen):
    """The value without what may differ; ids become the order in which they were first seen."""
    if isinstance(value, dict):
        return {name: normal(part, seen) for name, part in sorted(value.items())
                if name not in DIFFERENT and not name.endswith(("_at", "_time", "_timestamp"))
                and name != "source" and name != "source_type" and name != "source_authenticated"}
    if isinstance(value, list):
        return [normal(part, seen) for part in value]
    if isinstance(value, str):
        return UUID.sub(lambda found: f"id{seen.setdefault(found.group(0), len(seen))}", value)
    return value


class ApiAccessTest(EndToEndTest):
    claim = False

    def job(self, graph):
        # One run at a time: what happens in both graphs happens in the same order.
        graph.apply(quick_job("access", "access/{n}", seconds="2", maxConcurrentRuns=1))
        graph.accepted("access")

    # -- callers --------------------------------------------------------------------------------

    def account(self, name, graph, role, kind="ClusterRole"):
        """A ServiceAccount with a role in one graph; answers its name for RBAC."""
        namespace = self.graph.name
        self.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}, namespace)
        if role:
            self.kube.create({
                "apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": f"e2e-{name}"},
                "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]}, graph.name)
        return f"system:serviceaccount:{namespace}:{name}"

    def role(self, name, verb):
        self.kube.create({"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": name},
                          "rules": [{"apiGroups": ["databuild.dev"], "resources": ["wants"],
                                     "verbs": [verb]}]}, self.graph.name)

    def wait_allowed(self, user, verb, resource, graph):
        """The API server holds roles in a cache; a denial that came too early would be remembered."""
        resource, _, subresource = resource.partition("/")
        ask = ["auth", "can-i", verb, resource, f"--as={user}", "-n", graph.name]
        if subresource:
            ask.append(f"--subresource={subresource}")
        eventually(f"{user} may {verb} {resource}", lambda: self.kube.kubectl_result(*ask).returncode == 0, 20,
                   every=0.2)

    def tokens(self, other):
        """The token of each account of MAY, once the API server knows its role."""
        self.role("wanter", "create")
        self.role("lister", "list")
        rows = [("viewer", self.graph, "view", "ClusterRole", "get", "datajobs.databuild.dev/log"),
                ("editor", self.graph, "edit", "ClusterRole", "create", "taints.databuild.dev"),
                ("wanter", self.graph, "wanter", "Role", "create", "wants.databuild.dev"),
                ("lister", self.graph, "lister", "Role", "list", "wants.databuild.dev"),
                ("nobody", self.graph, None, "", None, None),
                ("visitor", other, "view", "ClusterRole", "get", "datajobs.databuild.dev/log")]
        tokens = {}
        for name, graph, role, kind, verb, resource in rows:
            user = self.account(name, graph, role, kind)
            if verb:
                self.wait_allowed(user, verb, resource, graph)
            tokens[name] = self.kube.token(self.graph.name, name, "databuild")
        return tokens

    def api_key(self, *words):
        done = subprocess.run(
            [str(pathlib.Path(self.session.build, "controller", "databuild-controller")), "api-key", *words,
             f"--kubeconfig={os.environ['KUBECONFIG']}", f"--namespace={NAMESPACE}"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def keys(self, other):
        mine, stem = self.graph.name, self.graph.name[-5:]
        rows = [("key reader", "read", mine), ("key wanter", "want-write", mine),
                ("key tainter", "taint-write", mine), ("key both", "read,want-write", mine),
                ("key admin", "admin", mine), ("key everywhere", "read", "*"),
                ("key elsewhere", "admin", other.name), ("key revoked", "admin", "*"),
                ("key expired", "admin", "*")]
        made = {}
        for name, scopes, graphs in rows:
            label = name.removeprefix("key ") + "-" + stem
            made[name] = self.api_key("create", f"--name={label}", f"--scopes={scopes}", f"--graphs={graphs}",
                                      "--expires=1s" if name == "key expired" else "--expires=1h")
            self.addCleanup(self.kube.patch, "Secret", NAMESPACE, "databuild-api-keys", {"data": {label: None}})
        self.api_key("revoke", f"--name=revoked-{stem}")
        self.assertIn(f"reader-{stem}\tread\t{mine}\t", self.api_key("list"))
        # A pod that changes is looked after at once, its volumes too; otherwise within a minute or so.
        for pod in self.operator.pods():
            self.kube.patch("Pod", NAMESPACE, pod["metadata"]["name"], {"metadata": {"annotations": {"e2e": stem}}})
        eventually("the operator reads the keys", lambda: self.ask(
            made["key elsewhere"], other, "list wants") == 200, 90, every=0.5)
        return made

    # -- the matrix -----------------------------------------------------------------------------

    def ask(self, token, graph, question):
        method, path, body = QUESTIONS[question]
        path = path.replace("{want}", self.want_ids[graph.name])
        status, _, _ = self.operator.api_with(token).exchange(
            method, f"/api/v1/graphs/{graph.name}/{path}", body=body)
        return status

    def expected(self, question):
        return 404 if question == "logs" else 200  # allowed, and there is no such run

    def open_two(self):
        """A second graph; both have a job and a Want, and so a log."""
        other = self.open_graph()
        self.want_ids = {}
        for graph in (self.graph, other):
            self.job(graph)
            self.want_ids[graph.name] = graph.want("first", "access/0")["metadata"]["uid"]
            eventually("the log has the Want", lambda graph=graph: graph.log().want("first"), 30, every=0.2)
        return other

    @key
    def test_the_matrix_of_callers_verbs_and_graphs(self):
        other = self.open_two()
        tokens = {**self.tokens(other), **self.keys(other)}
        wrong = []
        for who, here_and_there in MAY.items():
            for graph, may in zip((self.graph, other), here_and_there, strict=True):
                for question in ALL:
                    want_status = self.expected(question) if question in may else 403
                    got = self.ask(tokens[who], graph, question)
                    if got != want_status:
                        wrong.append(f"{who}: {question} in {graph.name}: {got}, not {want_status}")
        unknown = dict(zip(UNKNOWN, (
            None, "garbage", self.kube.token(self.graph.name, "editor", "https://kubernetes.default.svc"),
            self.kube.token(self.graph.name, "editor", "another"), tokens["key expired"], tokens["key revoked"],
            "dbk_" + "A" * 43, tokens["key admin"][:-1]), strict=True))
        for who, token in unknown.items():
            for question in ALL:
                got = self.ask(token, self.graph, question)
                if got != 401:
                    wrong.append(f"{who}: {question}: {got}, not 401")
        self.assertEqual(wrong, [])
        self.check_unknown_graph(tokens)
        self.check_audit(tokens)
        asked = 2 * len(ALL) * len(MAY) + len(ALL) * len(UNKNOWN)
        print(f"    {asked} answers as the table has them", flush=True)

    def check_unknown_graph(self, tokens):
        """Whether a graph exists is told to those alone who may see it."""
        for who, status in (("viewer", 403), ("key reader", 403), ("key everywhere", 404)):
            got, _, _ = self.operator.api_with(tokens[who]).exchange("GET", "/api/v1/graphs/no-such-graph/wants")
            self.assertEqual(got, status, who)

    def check_audit(self, tokens):
        """Every write and every refusal is in the operator's log, with the caller and the request's id."""
        request = f"audit-{self.graph.name}"
        stem = self.graph.name[-5:]
        for who, path, status in (("key wanter", "wants", 200), ("viewer", "wants", 403)):
            got, _, headers = self.operator.api_with(tokens[who]).exchange(
                "POST", f"/api/v1/graphs/{self.graph.name}/{path}", body=QUESTIONS["put want"][2],
                headers={"X-Request-Id": f"{request}-{status}"})
            self.assertEqual((got, headers["X-Request-Id"]), (status, f"{request}-{status}"))

        def lines():
            found = {}
            for line in self.operator.logs().splitlines():
                if request in line and '"audit"' in line:
                    entry = json.loads(line)
                    found[entry["request_id"].removeprefix(request + "-")] = entry
            return found if len(found) == 2 else None

        audit = eventually("the audit lines are there", lines, 10, every=0.5)
        self.assertEqual([audit["200"][name] for name in ("caller", "verb", "resource", "graph", "code")],
                         [f"apikey:wanter-{stem}", "create", "wants", self.graph.name, "ok"])
        self.assertTrue(audit["200"]["object"].startswith("api-"))
        self.assertEqual([audit["403"][name] for name in ("caller", "verb", "resource", "graph", "code")],
                         [f"system:serviceaccount:{self.graph.name}:viewer", "create", "wants", self.graph.name,
                          "permission_denied"])

    # -- by either door -------------------------------------------------------------------------

    @key
    def test_wants_and_taints_by_the_api_leave_the_log_that_kubectl_leaves(self):
        other = self.open_graph()
        for graph in (self.graph, other):
            self.job(graph)
        self.graph.want("w", "access/1", "access/2", ttl="1h", sla="10m", priority=3, comment="both ways",
                        source={"type": "Scheduled", "name": "alice"})
        editor = self.account("editor", other, "edit")
        self.wait_allowed(editor, "create", "taints.databuild.dev", other)
        api = self.operator.api_with(self.kube.token(self.graph.name, "editor", "databuild")).graph(other.name)
        wants = api.put("wants", {
            "wants": [{"ref": {"str": f"access/{n}"}, "ttl_seconds": 3600, "sla_seconds": 600, "priority": 3}
                      for n in (1, 2)],
            "comment": "both ways", "source": {"source_type": {"code": "scheduled"}, "name": "mallory"}})["wants"]
        self.assertEqual(len({row["want_id"] for row in wants}), 1)
        self.assertGreater(int(wants[0]["event_index"]), 0)
        # What was written can be read, wherever the answer comes from.
        shown = api.api.exchange("GET", f"{api.path}/wants/{wants[0]['want_id']}",
                                 headers={"databuild-min-index": wants[0]["event_index"]})
        self.assertEqual(shown[0], 200)
        source = json.loads(shown[1])["want"]["want"]["source"]
        self.assertEqual((source["name"], source["authenticated"]), (editor, True))
        for graph, name in ((self.graph, "w"), (other, wants[0]["name"])):
            graph.ready(name)
        self.graph.taint("t", "access/1", comment="bad", cascade="Downstream")
        put = api.put("taints", {"refs": [{"str": "access/1"}], "comment": "bad", "cascade": "downstream"})
        for graph, name in ((self.graph, "t"), (other, put["name"])):
            self.kube.wait_for(("Taint", graph.name, name), "is repaired", lambda found: any(
                c["type"] == "Repaired" and c["status"] == "True"
                for c in found.get("status", {}).get("conditions", [])))
        logs = []
        for graph in (self.graph, other):
            graph.settled_log()
            seen = {}
            events = [normal(event, seen) for event in self.own(graph.api().events())]
            logs.append([json.dumps(event, sort_keys=True).replace(graph.name, "GRAPH") for event in events])
        self.assertGreater(len(logs[0]), 15)
        self.assertEqual(*logs)
        self.check_sources(editor, other)

    def own(self, events):
        """Of a job's definition only that it was accepted: both graphs have the same."""
        return [event for event in events if "job_definition_event" not in event]

    def check_sources(self, editor, other):
        claimed, called = (next(event["want_event"]["source"] for event in graph.api().events()
                                if event.get("want_event", {}).get("lifecycle") == "WANT_CREATED")
                           for graph in (self.graph, other))
        self.assertEqual((claimed["name"], claimed.get("authenticated", False)), ("alice", False))
        self.assertEqual((called["name"], called["authenticated"]), (editor, True))
        self.assertEqual(claimed["source_type"]["code"], called["source_type"]["code"])
        [row] = other.api().walk("taints", "taints")
        self.assertEqual((row["source_name"], row["source_authenticated"]), (editor, True))

    def test_nobody_but_the_operator_can_say_who_called(self):
        self.job(self.graph)
        for item in (want("forged", "access/1"), taint("forged", "access/1")):
            item["metadata"]["annotations"] = {CALLER: "alice"}
            done = self.kube.kubectl_result("create", "-n", self.graph.name, "-f", "-", stdin=json.dumps(item))
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("is written by DataBuild's API alone", done.stderr)
        self.graph.want("honest", "access/1", source={"type": "ApiRequest", "name": "alice"})
        forged = {"metadata": {"annotations": {CALLER: "alice"}}}
        patch = ["patch", "want", "honest", "-n", self.graph.name, "--type=merge", "-p", json.dumps(forged)]
        self.assertIn("alone", self.kube.kubectl_result(*patch).stderr)
        self.kube.kubectl_result(*patch, "--subresource=status")
        self.assertNotIn(CALLER, self.graph.get("Want", "honest")["metadata"].get("annotations", {}))
        self.kube.patch("Want", self.graph.name, "honest", {"spec": {"comment": "other changes are free"}})
        log = eventually("the Want is in the log", lambda: self.graph.log().want("honest") and self.graph.api(
            ).events(), 30, every=0.2)
        source = next(event["want_event"]["source"] for event in log if "want_event" in event)
        self.assertEqual((source["name"], source.get("authenticated", False)), ("alice", False))

    def test_a_key_used_twice_makes_one_object(self):
        self.job(self.graph)
        self.graph.want("first", "access/0")
        eventually("the graph has a log", lambda: self.graph.log().want("first"), 30, every=0.2)
        editor = self.account("editor", self.graph, "edit")
        self.wait_allowed(editor, "create", "wants.databuild.dev", self.graph)
        api = self.operator.api_with(self.kube.token(self.graph.name, "editor", "databuild")).graph(self.graph.name)
        body = {"wants": [{"ref": {"str": "access/1"}}], "idempotency_key": "once"}
        first = api.put("wants", body)
        self.assertEqual(api.put("wants", body), first)
        status, text, _ = api.api.exchange("POST", f"{api.path}/wants", body=dict(body, comment="another"))
        self.assertEqual((status, json.loads(text)["code"]), (409, "already_exists"))
        names = [item["metadata"]["name"] for item in self.kube.list("Want", self.graph.name)]
        self.assertEqual(sorted(names), sorted(["first", first["wants"][0]["name"]]))
        stored = self.graph.get("Want", first["wants"][0]["name"])
        self.assertEqual(stored["apiVersion"], GROUP)
        self.assertEqual(stored["spec"]["source"], {"type": "ApiRequest", "name": editor})

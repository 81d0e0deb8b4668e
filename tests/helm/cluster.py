"""What a real API server says to the chart: the whole release, its pods, the rights it gives."""

import json
import secrets
import time

from chart import CHART, LEAST_KUBE_VERSION, OWN, ci_files, helm, pods_of, render
from kubectl import documents, kubectl

# verb, resource[/subresource][#name], namespace, allowed when all namespaces are watched, allowed when only "graph" is.
RIGHTS = [
    *[(verb, resource, "graph", True, True) for verb in ("get", "list", "watch")
      for resource in ("wants.databuild.dev", "taints.databuild.dev", "datajobs.databuild.dev", "jobs.batch", "pods",
                       "events")],
    ("patch", "wants.databuild.dev/status", "graph", True, True),
    ("patch", "taints.databuild.dev/status", "graph", True, True),
    ("patch", "datajobs.databuild.dev/status", "graph", True, True),
    ("delete", "wants.databuild.dev", "graph", True, True),
    ("create", "wants.databuild.dev", "graph", True, True),
    ("create", "taints.databuild.dev", "graph", True, True),
    ("create", "jobs.batch", "graph", True, True),
    ("delete", "jobs.batch", "graph", True, True),
    ("patch", "jobs.batch", "graph", True, True),
    ("create", "pods", "graph", True, True),
    ("get", "pods/log", "graph", True, True),
    ("create", "events", "graph", True, True),
    ("create", "events.events.k8s.io", "graph", True, True),
    ("create", "leases.coordination.k8s.io", "own", True, True),
    ("update", "leases.coordination.k8s.io#databuild", "own", True, True),
    ("get", "namespaces#" + OWN, "own", True, True),
    ("list", "namespaces", None, True, False),
    ("watch", "nodes", None, True, False),
    ("create", "tokenreviews.authentication.k8s.io", None, True, False),
    ("create", "subjectaccessreviews.authorization.k8s.io", None, True, False),
    ("list", "wants.databuild.dev", "other", True, False),
    ("create", "jobs.batch", "other", True, False),
    # Never:
    *[("get", "secrets", where, False, False) for where in ("own", "graph", "other")],
    ("get", "configmaps", "graph", False, False),
    ("delete", "pods", "graph", False, False),
    ("create", "pods/exec", "graph", False, False),
    ("patch", "wants.databuild.dev", "graph", False, False),
    ("delete", "taints.databuild.dev", "graph", False, False),
    ("delete", "datajobs.databuild.dev", "graph", False, False),
    ("patch", "datajobs.databuild.dev", "graph", False, False),
    ("update", "leases.coordination.k8s.io#other", "own", False, False),
    ("create", "leases.coordination.k8s.io", "graph", False, False),
    ("impersonate", "users", None, False, False),
    ("patch", "namespaces", None, False, False),
    ("create", "clusterrolebindings.rbac.authorization.k8s.io", None, False, False),
]

# role of the cluster, verb, resource[/subresource], allowed.
PEOPLE = [
    *[(role, "list", resource, True) for role in ("view", "edit", "admin")
      for resource in ("wants.databuild.dev", "taints.databuild.dev", "datajobs.databuild.dev")],
    ("view", "get", "datajobs.databuild.dev/log", True),
    ("view", "list", "datajobs.databuild.dev/events", True),
    *[("view", verb, "wants.databuild.dev", False) for verb in ("create", "update", "delete")],
    *[("edit", verb, resource, True) for verb in ("create", "patch", "delete")
      for resource in ("wants.databuild.dev", "taints.databuild.dev", "datajobs.databuild.dev")],
    ("edit", "patch", "wants.databuild.dev/status", False),
    ("edit", "deletecollection", "wants.databuild.dev", False),
    ("admin", "deletecollection", "wants.databuild.dev", True),
    ("admin", "patch", "wants.databuild.dev/status", False),
]


def review(account, verb, resource, namespace):
    """The SubjectAccessReview that asks whether the account may do it."""
    resource, _, name = resource.partition("#")
    resource, _, subresource = resource.partition("/")
    resource, _, group = resource.partition(".")
    attributes = {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "name": name,
                  "namespace": namespace or ""}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": account, "groups": ["system:authenticated"], "resourceAttributes": attributes}}


def answers(reviews):
    """What the API server says to each review, in order."""
    code, out, err = kubectl("create", "-f", "-", "-o", "json",
                             stdin="\n---\n".join(json.dumps(body) for body in reviews))
    if code != 0:
        raise ValueError(f"the API server answers no SubjectAccessReview: {err[:600]}")
    return [answer["status"]["allowed"] for answer in documents(out)]


def settled(reviews, expected):
    """answers(), once the API server has learnt of new roles: it holds them in a cache, the aggregated ones later."""
    deadline = time.monotonic() + 15
    while True:
        held = answers(reviews)
        learnt = all(has or not should for has, should in zip(held, expected, strict=True))
        if learnt or time.monotonic() > deadline:
            return held
        time.sleep(0.2)


def check_operator(report, mode, own, namespaces):
    """The rights of the operator's service account, row by row of RIGHTS."""
    account = f"system:serviceaccount:{own}:mode-{mode}"
    reviews = [review(account, verb, resource.replace(OWN, own), namespaces.get(where))
               for verb, resource, where, *_ in RIGHTS]
    expected = [row[3 + mode] for row in RIGHTS]
    for row, held, should in zip(RIGHTS, settled(reviews, expected), expected, strict=True):
        report.expect(held == should, f"mode {mode}: the operator {'may' if held else 'may not'} {row[:3]}")


def check_people(report, namespaces):
    """What the cluster's own roles view, edit and admin gain, for users who hold them in one namespace."""
    for role in ("view", "edit", "admin"):
        kubectl("create", "rolebinding", f"probe-{role}", f"--clusterrole={role}", f"--user=probe-{role}",
                "-n", namespaces["graph"])
    reviews = [review(f"probe-{role}", verb, resource, namespaces["graph"]) for role, verb, resource, _ in PEOPLE]
    expected = [row[3] for row in PEOPLE]
    for row, held in zip(PEOPLE, settled(reviews, expected), strict=True):
        report.expect(held == row[3], f"role {row[0]} {'may' if held else 'may not'} {row[1]} {row[2]}")


def check_rights(report, namespaces):
    """Creates the release's roles alone, asks the API server for every row of the tables, and removes them."""
    modes = [[], ["--set", f"watchNamespaces={{{namespaces['graph']}}}", "--set", "rbac.authDelegation=false"]]
    for mode, flags in enumerate(modes):
        code, out, err = helm("template", "databuild", str(CHART), "--namespace", namespaces["own"], "--kube-version",
                              LEAST_KUBE_VERSION, "-s", "templates/rbac.yaml", "-s", "templates/userroles.yaml",
                              "--set", f"serviceAccount.name=mode-{mode}", *flags)
        report.expect(code == 0, f"the roles are not rendered: {err}")
        code, _, err = kubectl("apply", "-f", "-", stdin=out)
        report.expect(code == 0, f"the API server refuses the roles: {err}")
        try:
            check_operator(report, mode, namespaces["own"], namespaces)
            if mode == 0:
                check_people(report, namespaces)
        finally:
            kubectl("delete", "--ignore-not-found", "-f", "-", stdin=out)


def check_installs(report, namespaces):
    """The API server takes the whole release; ServiceMonitor is left out, its kind belongs to another product."""
    for path in ci_files():
        flags = ["-f", str(path), "--set", "metrics.serviceMonitor.enabled=false"]
        if path.name.startswith("namespaced"):
            flags += ["--set", f"watchNamespaces={{{namespaces['graph']}}}"]
        # Definitions that another release or kubectl has installed already cannot be installed again.
        installed = kubectl("get", "crd", "wants.databuild.dev")[0] == 0
        flags += ["--set", f"crds.enabled={str(not installed).lower()}"]
        code, _, err = helm("install", "probe", str(CHART), "--namespace", namespaces["own"], "--dry-run=server",
                            *flags)
        report.expect(code == 0, f"helm install --dry-run=server -f {path.name}: {err.strip()}")


def check_pod_security(report, namespaces):
    """Pod Security "restricted", enforced by the API server, takes the operator's and the test's pods."""
    kubectl("create", "serviceaccount", "probe", "-n", namespaces["graph"])
    kubectl("label", "namespace", namespaces["graph"], "pod-security.kubernetes.io/enforce=restricted", "--overwrite")
    for path in ci_files():
        for name, pod in pods_of(render("-f", str(path))):
            pod.pop("priorityClassName", None)
            pod["serviceAccountName"] = "probe"
            mounts = {mount["name"] for mount in pod["containers"][0].get("volumeMounts", [])}
            volumes = pod.setdefault("volumes", [])
            volumes += [{"name": claim, "persistentVolumeClaim": {"claimName": claim}}
                        for claim in mounts - {volume["name"] for volume in volumes}]
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"}, "spec": pod}
            body["spec"]["restartPolicy"] = "Never"
            code, _, err = kubectl("create", "-n", namespaces["graph"], "--dry-run=server", "-f", "-",
                                   stdin=json.dumps(body))
            report.expect(code == 0, f"Pod Security refuses {name} of {path.name}: {err.strip()}")


def run_job(account, label="databuild.dev/run"):
    """A Job as the operator makes it, under a service account."""
    container = {"name": "job", "image": "registry.example.com/job:1"}
    spec = {"containers": [container], "restartPolicy": "Never", "serviceAccountName": account}
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job",
                       "metadata": {"name": "probe", "labels": {label: "probe"}},
                       "spec": {"template": {"spec": spec}}})


def check_service_accounts(report, namespaces):
    """Runs get only the service accounts that their namespace lends, by the chart's admission policy."""
    graph = namespaces["graph"]
    code, policy, err = helm("template", f"probe-{graph}", str(CHART), "--namespace", namespaces["own"],
                             "--kube-version", LEAST_KUBE_VERSION, "-s", "templates/jobpolicy.yaml")
    report.expect(code == 0, f"the policy is not rendered: {err}")
    try:
        code, _, err = kubectl("apply", "-f", "-", stdin=policy)
        report.expect(code == 0, f"the API server refuses the policy: {err}")

        def create(account, **more):
            code, _, err = kubectl("create", "-n", graph, "--dry-run=server", "-f", "-", stdin=run_job(account, **more))
            return "taken" if code == 0 else err

        deadline = time.monotonic() + 30  # the API server learns of a policy by a watch
        while create("admin") == "taken" and time.monotonic() < deadline:
            time.sleep(0.2)
        report.expect("not allowed for runs in namespace" in create("admin"), f"admin: {create('admin')}")
        report.expect(create("default") == "taken", f"default: {create('default')}")
        report.expect(create("admin", label="app") == "taken", "the policy judges Jobs that are none of the operator's")
        kubectl("annotate", "namespace", graph, "databuild.dev/allowed-service-accounts=reader, writer")
        while create("writer") != "taken" and time.monotonic() < deadline:
            time.sleep(0.2)
        report.expect(create("writer") == "taken", f"writer: {create('writer')}")
        report.expect(create("reader") == "taken", f"reader: {create('reader')}")
        report.expect("list it in the annotation" in create("read"), f"read: {create('read')}")
    finally:
        kubectl("delete", "--ignore-not-found", "-f", "-", stdin=policy)


def check_cluster(report):
    tag = secrets.token_hex(4)
    namespaces = {role: f"chart-{role}-{tag}" for role in ("own", "graph", "other")}
    try:
        for namespace in namespaces.values():
            code, _, err = kubectl("create", "namespace", namespace)
            report.expect(code == 0, f"cannot create namespace {namespace}: {err.strip()}")
        check_installs(report, namespaces)
        check_pod_security(report, namespaces)
        check_rights(report, namespaces)
        check_service_accounts(report, namespaces)
    finally:
        kubectl("delete", "namespace", *namespaces.values(), "--ignore-not-found", "--wait=false")

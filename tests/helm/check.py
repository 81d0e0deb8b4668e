#!/usr/bin/env python3
"""Checks the chart helm/databuild.

Without a cluster (--offline): helm lint --strict, every ci/ values file renders, what is rendered holds what it must,
values that cannot work are refused, the chart's definitions equal crds/ byte for byte.

With a cluster (the default, both parts): an API server takes the whole release for every ci/ values file
(helm install --dry-run=server), Pod Security "restricted" takes its pods, and the rights of the operator's service
account are those of a table: what it needs and nothing of what it must not have.

Uses $HELM and $KUBECTL (defaults: helm, kubectl) with the usual $KUBECONFIG. Standard library only.
"""

import argparse
import json
import sys

from chart import CHART, LEAST_KUBE_VERSION, OWN, ROOT, Report, ci_files, helm, of_kind, pods_of, render
from cluster import check_cluster
from kubectl import plain_yaml_to_json, to_json

# Values that must be refused, and words the refusal must hold.
REFUSED = {
    "an unknown value": (["--set", "replicaCount=2"], "replicaCount"),
    "an unknown nested value": (["--set", "bel.postgres.uri=postgres://x"], "uri"),
    "SQLite with two replicas": (["--set", "replicas=2"], "SQLite bears one replica only"),
    "the own namespace as a graph": (["--set", f"watchNamespaces={{{OWN}}}"], "never a graph"),
    "an unknown way to authenticate": (["--set", "api.auth=basic"], "auth"),
    "a duration without a unit": (["--set-string", "lease.duration=15"], "duration"),
    "a bad digest": (["--set", "image.digest=latest"], "digest"),
    "a grace period shorter than the shutdown": (["--set", "terminationGracePeriodSeconds=10"], "minimum"),
    "an account that is neither made nor named": (["--set", "serviceAccount.create=false"], "serviceAccount.name"),
    "a peer without patterns": (["--set-json", 'peers=[{"name":"a","url":"https://a","graph":"g"}]'], "patterns"),
    "a peer whose address is none": (["--set-json", 'peers=[{"name":"a","url":"a:8080","graph":"g","patterns":["x"]}]'],
                                     "url"),
    "two peers of one name": (["--set-json", 'peers=[{"name":"a","url":"https://a","graph":"g","patterns":["x"]},'
                                             '{"name":"a","url":"https://b","graph":"g","patterns":["y"]}]'],
                              "peers: a stands there twice"),
    "a log on a volume that many share": (["--set", "bel.sqlite.accessModes={ReadWriteMany}"], "accessModes"),
}

# Keys of the operator's configuration. Another one, or one too few, is a mistake in the chart.
CONFIG_KEYS = {
    "bel": {"uri", "uriFile", "hotEvents", "retention", "verify"},
    "dataDir": None, "clusterId": None, "watchNamespaces": None, "watchNodes": None,
    "kubernetes": {"qps", "burst", "requestTimeout", "effectParallelism"},
    "lease": {"enabled", "name", "namespace", "duration", "renewDeadline", "retryPeriod"},
    "api": {"listen", "auth", "audiences", "callerPolicy", "keys", "tls", "maxConnections", "maxHeaderBytes",
            "maxBodyBytes", "maxRequestsPerCaller", "idleTimeout", "requestTimeout"},
    "metrics": {"listen"},
    "jobs": {"wrapperImage", "wrapperImagePullPolicy", "serviceAccounts", "keepFinishedFor"},
    "peers": None,
    "logs": {"enabled", "streams", "deadline", "retention", "metrics", "metricSeries"},
    "limits": {"runs", "runsPerGraph"},
    "log": {"level"},
    "shutdown": {"timeout"},
}

# ---- without a cluster -----------------------------------------------------------------------------------------


def check_lint(report):
    for flags in ([], *(["-f", str(path)] for path in ci_files())):
        code, out, err = helm("lint", "--strict", str(CHART), *flags)
        report.expect(code == 0, f"helm lint --strict {' '.join(flags)}: {out}{err}")


def check_refusals(report):
    for name, (flags, words) in REFUSED.items():
        code, _, err = helm("template", "x", str(CHART), "--namespace", OWN, "--kube-version", LEAST_KUBE_VERSION,
                            *flags)
        report.expect(code != 0, f"{name} must be refused, but is rendered")
        report.expect(words in err, f"{name}: the refusal does not say '{words}': {err.strip()}")


def check_copies(report):
    copies = {path.name: path.read_bytes() for path in (CHART / "files" / "crds").iterdir()}
    sources = {path.name: path.read_bytes() for path in (ROOT / "crds").glob("*.yaml")}
    report.expect(copies == sources, "helm/databuild/files/crds differs from crds/: run cp crds/*.yaml there")


def check_definitions(report):
    """What is rendered is crds/ and nothing else, kept on uninstall unless told otherwise."""
    sources = [to_json(path.read_text())[0] for path in sorted((ROOT / "crds").glob("*.yaml"))]
    for keep in (True, False):
        rendered = of_kind(render("--set", f"crds.keep={str(keep).lower()}"), "CustomResourceDefinition")
        kept = [crd["metadata"].pop("annotations", {}).get("helm.sh/resource-policy") == "keep" for crd in rendered]
        report.expect(kept == [keep] * len(sources), f"crds.keep={keep}: helm.sh/resource-policy is {kept}")
        report.expect(rendered == sources, f"crds.keep={keep}: the rendered definitions differ from crds/")
    none = of_kind(render("--set", "crds.enabled=false"), "CustomResourceDefinition")
    report.expect(not none, "crds.enabled=false still renders definitions")


def documented(schema, values, path=""):
    """Yields every key that the schema knows and values.yaml does not show."""
    for name, child in schema.get("properties", {}).items():
        if name == "global":
            continue
        if name not in values:
            yield path + name
        elif child.get("type") == "object" and "properties" in child:
            yield from documented(child, values[name], f"{path}{name}.")


def open_levels(schema, path="values"):
    """Yields every object of the schema with keys of its own that would take others too."""
    if schema.get("type") == "object" and "properties" in schema:
        if schema.get("additionalProperties") is not False:
            yield path
        for name, child in schema["properties"].items():
            yield from open_levels(child, f"{path}.{name}")


def check_schema(report):
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = plain_yaml_to_json((CHART / "values.yaml").read_text())
    missing = list(documented(schema, values))
    report.expect(not missing, f"values.yaml does not show {missing}")
    open_ones = list(open_levels(schema))
    report.expect(not open_ones, f"values.schema.json takes unknown keys at {open_ones}")


def check_restricted(report, source, objects):
    """The settings that Pod Security "restricted" asks for, and a root file system that is read-only."""
    for name, pod in pods_of(objects):
        where = f"{source}: {name}"
        security = pod.get("securityContext", {})
        report.expect(security.get("runAsNonRoot") is True and security.get("runAsUser") == 65532,
                      f"{where} does not run as user 65532")
        report.expect(security.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{where} has no seccomp profile")
        for container in pod["containers"] + pod.get("initContainers", []):
            own = container.get("securityContext", {})
            report.expect(own.get("allowPrivilegeEscalation") is False, f"{where} may escalate its privileges")
            report.expect(own.get("readOnlyRootFilesystem") is True, f"{where} may write its root file system")
            report.expect(own.get("capabilities") == {"drop": ["ALL"]}, f"{where} keeps capabilities")
            report.expect("requests" in container.get("resources", {}), f"{where} requests no resources")


def check_config(report, source, objects):
    """The configuration file holds keys that the operator knows, all of them, and the one way to the log."""
    [config_map] = of_kind(objects, "ConfigMap")
    config = plain_yaml_to_json(config_map["data"]["config.yaml"])
    report.expect(set(config) == set(CONFIG_KEYS), f"{source}: keys of config.yaml are {sorted(config)}")
    for key, below in CONFIG_KEYS.items():
        if below is not None:
            extra = set(config.get(key, {})) - below
            lacking = below - set(config.get(key, {})) - {"uri", "uriFile", "tls"}
            report.expect(not extra and not lacking, f"{source}: config.yaml {key}: unknown {extra}, missing {lacking}")
    log = {"uri", "uriFile"} & set(config["bel"])
    report.expect(len(log) == 1, f"{source}: config.yaml names {sorted(log)} for the log")
    loopback = config["api"]["listen"].startswith("127.0.0.1:")
    report.expect(loopback == (config["api"]["auth"] == "none"),
                  f"{source}: auth {config['api']['auth']} on {config['api']['listen']}")


def check_wiring(report, source, objects):
    """Services and policies select the operator's pods and no others; every mount has its volume."""
    [workload] = of_kind(objects, "Deployment", "StatefulSet")
    labels = workload["spec"]["template"]["metadata"]["labels"].items()
    selectors = [value["spec"]["selector"] for value in of_kind(objects, "Service")]
    selectors += [value["spec"]["selector"]["matchLabels"] for value in of_kind(objects, "PodDisruptionBudget")]
    selectors += [value["spec"]["podSelector"]["matchLabels"] for value in of_kind(objects, "NetworkPolicy")]
    selectors.append(workload["spec"]["selector"]["matchLabels"])
    [test] = of_kind(objects, "Pod")
    for selector in selectors:
        report.expect(selector.items() <= labels, f"{source}: {selector} selects not the operator's pods")
        report.expect(not selector.items() <= test["metadata"]["labels"].items(),
                      f"{source}: {selector} selects the pod of helm test")
    pod = workload["spec"]["template"]["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    report.expect(mounts == volumes, f"{source}: mounts {sorted(mounts)}, volumes {sorted(volumes)}")
    [service] = of_kind(objects, "Service")
    ports = {port["name"] for port in pod["containers"][0]["ports"]}
    report.expect({port["targetPort"] for port in service["spec"]["ports"]} == ports,
                  f"{source}: the Service and the pod disagree about ports")
    report.expect(f"http://{service['metadata']['name']}.{OWN}.svc:9090/readyz" in " ".join(
        test["spec"]["containers"][0]["args"]), f"{source}: helm test asks another Service")


def check_rbac(report, source, objects):
    """No wildcard, every binding to a role of this release (or the delegator), subjects that exist."""
    accounts = {value["metadata"]["name"] for value in of_kind(objects, "ServiceAccount")}
    roles = {(value["kind"], value["metadata"]["name"]) for value in of_kind(objects, "Role", "ClusterRole")}
    roles.add(("ClusterRole", "system:auth-delegator"))
    for value in of_kind(objects, "Role", "ClusterRole"):
        for rule in value["rules"]:
            report.expect("*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"],
                          f"{source}: {value['metadata']['name']} holds a wildcard")
    for value in of_kind(objects, "RoleBinding", "ClusterRoleBinding"):
        name = value["metadata"]["name"]
        report.expect((value["roleRef"]["kind"], value["roleRef"]["name"]) in roles, f"{source}: {name}: no such role")
        report.expect({subject["name"] for subject in value["subjects"]} <= accounts, f"{source}: {name}: subjects")


def check_modes(report):
    """What differs between the ways to install."""
    kinds = {path.name: {value["kind"] for value in render("-f", str(path))} for path in ci_files()}
    default = kinds["default-values.yaml"]
    report.expect("StatefulSet" in default and "Deployment" not in default, "SQLite must run as a StatefulSet")
    postgres = kinds["postgres-values.yaml"]
    report.expect("Deployment" in postgres and "StatefulSet" not in postgres, "Postgres must run as a Deployment")
    report.expect("PodDisruptionBudget" in postgres, "two replicas must have a PodDisruptionBudget")
    report.expect("PodDisruptionBudget" not in default, "one replica must have no PodDisruptionBudget")
    report.expect(not default & {"ServiceMonitor", "NetworkPolicy"}, "optional parts must be off by default")
    report.expect({"ServiceMonitor", "NetworkPolicy"} <= kinds["everything-values.yaml"], "optional parts are missing")
    namespaced = kinds["namespaced-values.yaml"]
    report.expect(not namespaced & {"ClusterRole", "ClusterRoleBinding"}, "namespaced mode must need no ClusterRole")
    partly = render("--set", "watchNamespaces={sales}")
    bound = {value["roleRef"]["name"] for value in of_kind(partly, "ClusterRoleBinding")}
    report.expect(bound == {"system:auth-delegator"}, f"namespaced mode binds cluster-wide {sorted(bound)}")
    [workload] = of_kind(render("-f", str(CHART / "ci" / "postgres-values.yaml")), "Deployment")
    report.expect("postgres://" not in json.dumps(workload), "the database URI must come from a file, not from the pod")
    before, after = (of_kind(render("--set", f"log.level={level}"), "StatefulSet")[0]["spec"]["template"]["metadata"]
                     ["annotations"]["checksum/config"] for level in ("info", "debug"))
    report.expect(before != after, "a changed configuration must restart the pods")


def check_peers(report):
    """Peers reach the operator as they stand, and it may reach them."""
    source = CHART / "ci" / "everything-values.yaml"
    objects = render("-f", str(source))
    [config_map] = of_kind(objects, "ConfigMap")
    config = plain_yaml_to_json(config_map["data"]["config.yaml"])
    peers = plain_yaml_to_json(source.read_text())["peers"]
    report.expect(len(peers) == 2 and config["peers"] == peers, f"config.yaml says of peers {config['peers']}")
    [policy] = of_kind(objects, "NetworkPolicy")
    ports = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    report.expect({8080, 80} <= ports, f"the operator may not reach its peers, only ports {ports}")


def check_offline(report):
    check_lint(report)
    check_refusals(report)
    check_copies(report)
    check_definitions(report)
    check_schema(report)
    for path in ci_files():
        objects = render("-f", str(path))
        check_restricted(report, path.name, objects)
        check_config(report, path.name, objects)
        check_wiring(report, path.name, objects)
        check_rbac(report, path.name, objects)
    check_modes(report)
    check_peers(report)


def main():
    parser = argparse.ArgumentParser(description="Checks the chart helm/databuild.")
    parser.add_argument("--offline", action="store_true", help="only what needs no cluster")
    options = parser.parse_args()
    report = Report()
    check_offline(report)
    if not options.offline:
        check_cluster(report)
    for failure in report.failures:
        print(f"FAIL {failure}")
    where = "without a cluster" if options.offline else "with a cluster"
    print(f"helm: {report.checks} checks {where}; {len(report.failures)} failures")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())

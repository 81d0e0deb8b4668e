"""The installed operator: its chart, its pod, its API."""

import random
import string

from support.api import Api
from support.kube import path_of
from support.waiting import eventually

NAMESPACE = "databuild-system"
RELEASE = "databuild"
SELECTOR = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/name=databuild"


def ready(pod):
    conditions = (pod or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


class Operator:
    def __init__(self, kube, helm, chart, image):
        self.kube, self._helm, self.chart, self.image = kube, helm, chart, image
        self.values = []
        self._api = None

    # -- the chart ------------------------------------------------------------------------------

    def install(self, *values, seconds=120):
        """Installs or upgrades the release; values are --set arguments."""
        repository, _, tag = self.image.rpartition(":")
        self.values = [f"image.repository={repository}", f"image.tag={tag}",
                       "image.pullPolicy=IfNotPresent", *values]
        sets = [word for value in self.values for word in ("--set", value)]
        self._helm("upgrade", "--install", RELEASE, self.chart, "--namespace", NAMESPACE,
                   "--create-namespace", "--wait", "--timeout", f"{seconds}s", *sets,
                   seconds=seconds + 30)
        self._api = None

    def uninstall(self, seconds=120):
        self._helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", "--timeout",
                   f"{seconds}s", seconds=seconds + 30)

    # -- the pod --------------------------------------------------------------------------------

    def pods(self):
        return self.kube.list("Pod", NAMESPACE, SELECTOR)

    def pod(self):
        """The ready pod that is not being deleted, or None."""
        for pod in self.pods():
            if ready(pod) and "deletionTimestamp" not in pod["metadata"]:
                return pod
        return None

    def wait_ready(self, seconds=60, other_than=None):
        def look():
            pod = self.pod()
            return pod if pod and pod["metadata"]["uid"] != other_than else None

        return eventually("the operator's pod is ready", look, seconds)

    def kill(self):
        """Deletes the pod with grace 0: its processes get SIGKILL. Answers the pod's uid."""
        pods = self.pods()
        assert pods, "there is no operator pod to kill"
        self.kube.delete("Pod", NAMESPACE, pods[0]["metadata"]["name"], grace=0)
        return pods[0]["metadata"]["uid"]

    def restart(self, seconds=90):
        """Kills the pod and waits for the next one."""
        return self.wait_ready(seconds, other_than=self.kill())

    def user(self):
        """The name under which the operator appears in the audit log."""
        account = self.pods()[0]["spec"]["serviceAccountName"]
        return f"system:serviceaccount:{NAMESPACE}:{account}"

    def logs(self):
        texts = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            for previous in (True, False):
                text = self.kube.pod_log(NAMESPACE, name, previous=previous)
                if text:
                    texts.append(f"=== {name}{' (before its restart)' if previous else ''}\n{text}")
        return "\n".join(texts)

    # -- its API --------------------------------------------------------------------------------

    def service(self, port_name):
        """Address and port of the Service's port; reachable from where the tests run."""
        services = self.kube.list("Service", NAMESPACE, SELECTOR)
        for service in services:
            for port in service["spec"]["ports"]:
                if port.get("name") == port_name and service["spec"].get("clusterIP") != "None":
                    return service["spec"]["clusterIP"], port["port"]
        raise AssertionError(f"no Service of the release has a port named {port_name}")

    def api(self):
        """The API as a user who may view everything, with a token for DataBuild's audience."""
        if self._api is None:
            suffix = "".join(random.choices(string.ascii_lowercase, k=5))
            token = self._viewer(f"viewer-{suffix}")
            self._api = Api(*self.service("api"), token)
        return self._api

    def anonymous_api(self):
        return self.api_with(None)

    def api_with(self, token):
        """The API as whoever holds the token."""
        return Api(*self.service("api"), token)

    def _viewer(self, name):
        self.kube.request("POST", path_of("ServiceAccount", "default"),
                          {"metadata": {"name": name}})
        self.kube.create({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": f"e2e-{name}", "labels": {"e2e": "databuild"}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                        "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}]})
        return self.kube.token("default", name, "databuild")

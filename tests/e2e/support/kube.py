"""The Kubernetes API over HTTPS, and kubectl where kubectl itself is what is tested.

Objects are plain dicts. A Kube may be used by several threads: each has its own connection.
"""

import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

from support.waiting import Deadline, TimedOut

GROUP = "databuild.dev/v1alpha1"

PATHS = {  # kind -> (prefix, plural)
    "Namespace": ("api/v1", "namespaces"),
    "Node": ("api/v1", "nodes"),
    "Pod": ("api/v1", "pods"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "Secret": ("api/v1", "secrets"),
    "Event": ("api/v1", "events"),
    "PersistentVolume": ("api/v1", "persistentvolumes"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Job": ("apis/batch/v1", "jobs"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "Lease": ("apis/coordination.k8s.io/v1", "leases"),
    "PriorityClass": ("apis/scheduling.k8s.io/v1", "priorityclasses"),
    "ClusterRoleBinding": ("apis/rbac.authorization.k8s.io/v1", "clusterrolebindings"),
    "Role": ("apis/rbac.authorization.k8s.io/v1", "roles"),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "CustomResourceDefinition": ("apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    "Want": (f"apis/{GROUP}", "wants"),
    "Taint": (f"apis/{GROUP}", "taints"),
    "DataJob": (f"apis/{GROUP}", "datajobs"),
}
CLUSTER_SCOPED = {"Namespace", "Node", "PersistentVolume", "PriorityClass", "ClusterRoleBinding",
                  "CustomResourceDefinition"}


class KubeError(Exception):
    """The API server's answer was an error."""

    def __init__(self, what, code, body):
        try:
            message = json.loads(body).get("message", "")
        except (ValueError, AttributeError):
            message = body[:500].decode(errors="replace")
        super().__init__(f"{what}: HTTP {code}: {message}")
        self.code = code


def path_of(kind, namespace=None, name=None, subresource=None):
    prefix, plural = PATHS[kind]
    parts = [prefix]
    if namespace and kind not in CLUSTER_SCOPED:
        parts += ["namespaces", namespace]
    parts += [part for part in (plural, name, subresource) if part]
    return "/" + "/".join(parts)


class Kube:
    def __init__(self, kubeconfig, kubectl="kubectl"):
        self.kubeconfig = kubeconfig
        self.kubectl_path = kubectl
        view = json.loads(self.kubectl("config", "view", "--raw", "--minify", "-o", "json"))
        cluster = view["clusters"][0]["cluster"]
        user = view["users"][0]["user"]
        self.server = urllib.parse.urlsplit(cluster["server"])
        self._tls = _tls_context(cluster, user)
        self._token = user.get("token")
        self._local = threading.local()

    # -- kubectl --------------------------------------------------------------------------------

    def kubectl(self, *args, stdin=None, seconds=60, check=True):
        """The standard output of kubectl."""
        done = self.kubectl_result(*args, stdin=stdin, seconds=seconds)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout

    def kubectl_result(self, *args, stdin=None, seconds=60):
        command = [self.kubectl_path, f"--kubeconfig={self.kubeconfig}", *args]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
        )

    def read_yaml(self, path):
        """The objects of a YAML file as the API server would store them, without storing them."""
        text = self.kubectl("create", "--dry-run=client", "--validate=false", "-o", "json",
                            "-f", path)
        decoder, objects, at = json.JSONDecoder(), [], 0
        while at < len(text.rstrip()):
            found, end = decoder.raw_decode(text, at)
            objects += found["items"] if found["kind"] == "List" else [found]
            at = end + len(text[end:]) - len(text[end:].lstrip())
        return objects

    # -- the API --------------------------------------------------------------------------------

    def request(self, method, path, body=None, query=None, content_type="application/json"):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        headers = {"Accept": "application/json"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        status, answer = self._exchange(method, path, data, headers)
        if status >= 400:
            raise KubeError(f"{method} {path}", status, answer)
        return json.loads(answer) if answer else {}

    def get(self, kind, namespace, name):
        """The object, or None when there is none."""
        try:
            return self.request("GET", path_of(kind, namespace, name))
        except KubeError as error:
            if error.code == 404:
                return None
            raise

    def list(self, kind, namespace=None, labels=None):
        query = {"labelSelector": labels} if labels else None
        return self.request("GET", path_of(kind, namespace), query=query)["items"]

    def version(self, kind, namespace=None):
        """The resourceVersion at which the cluster is now."""
        return int(self.request("GET", path_of(kind, namespace))["metadata"]["resourceVersion"])

    def create(self, item, namespace=None):
        namespace = namespace or item["metadata"].get("namespace")
        return self.request("POST", path_of(item["kind"], namespace), item)

    def patch(self, kind, namespace, name, merge):
        return self.request("PATCH", path_of(kind, namespace, name), merge,
                            content_type="application/merge-patch+json")

    def delete(self, kind, namespace, name, grace=None, propagation=None):
        """Deletes it; answers False when it was not there."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        if propagation is not None:
            options["propagationPolicy"] = propagation
        try:
            self.request("DELETE", path_of(kind, namespace, name), options)
        except KubeError as error:
            if error.code == 404:
                return False
            raise
        return True

    def token(self, namespace, account, audience, seconds=3600):
        """A bearer token of a ServiceAccount, for one audience."""
        ask = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
               "spec": {"audiences": [audience], "expirationSeconds": seconds}}
        path = path_of("ServiceAccount", namespace, account, "token")
        return self.request("POST", path, ask)["status"]["token"]

    def pod_log(self, namespace, pod, container=None, previous=False):
        query = {"container": container} if container else {}
        if previous:
            query["previous"] = "true"
        path = path_of("Pod", namespace, pod, "log")
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, answer = self._exchange("GET", path, None, {})
        return answer.decode(errors="replace") if status == 200 else ""

    def wait_for(self, where, what, accept, seconds=60):
        """Watches the object at `where` (kind, namespace, name) until accept(object or None); answers it."""
        kind, namespace, name = where
        deadline = Deadline(seconds)
        path, query = path_of(kind, namespace), {"fieldSelector": f"metadata.name={name}"}
        seen = None
        while not deadline.over():
            found = self.request("GET", path, query=query)
            seen = found["items"][0] if found["items"] else None
            if accept(seen):
                return seen
            version = found["metadata"]["resourceVersion"]
            for change in self._watch(path, dict(query, resourceVersion=version), deadline):
                if change["type"] == "ERROR":
                    break
                seen = None if change["type"] == "DELETED" else change["object"]
                if accept(seen):
                    return seen
        last = json.dumps((seen or {}).get("status"))
        raise TimedOut(f"not within {seconds} s: {kind} {namespace}/{name} {what}; "
                       f"status seen last: {last}"[:4000])

    def _watch(self, path, query, deadline):
        query = dict(query, watch="1", timeoutSeconds=str(max(1, int(deadline.left()))))
        connection = self.connect(deadline.left() + 5)
        try:
            connection.request("GET", path + "?" + urllib.parse.urlencode(query),
                               headers=self.authorized({}))
            answer = connection.getresponse()
            while answer.status == 200:
                line = answer.readline()
                if not line:
                    return
                yield json.loads(line)
        except (OSError, http.client.HTTPException):
            return  # the caller lists again
        finally:
            connection.close()

    def connect(self, seconds):
        """A new connection to the API server; `authorized` headers go with each request on it."""
        port = self.server.port or 443
        return http.client.HTTPSConnection(self.server.hostname, port, timeout=seconds,
                                           context=self._tls)

    def authorized(self, headers):
        return dict(headers, Authorization=f"Bearer {self._token}") if self._token else headers

    def _exchange(self, method, path, data, headers):
        """One request on this thread's connection; a kept connection that died is opened again."""
        for fresh in (False, True):
            connection = None if fresh else getattr(self._local, "connection", None)
            reused = connection is not None
            if connection is None:
                connection = self._local.connection = self.connect(30)
            try:
                connection.request(method, path, body=data, headers=self.authorized(headers))
                answer = connection.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._local.connection = None
                if not reused:
                    raise
        raise AssertionError("unreachable")


def _tls_context(cluster, user):
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    if cluster.get("certificate-authority-data"):
        context.load_verify_locations(
            cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    elif cluster.get("certificate-authority"):
        context.load_verify_locations(cafile=cluster["certificate-authority"])
    if user.get("client-certificate-data"):
        pair = b""
        for key in ("client-certificate-data", "client-key-data"):
            pair += base64.b64decode(user[key]) + b"\n"
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(pair)
        try:
            context.load_cert_chain(file.name)
        finally:
            os.unlink(file.name)
    elif user.get("client-certificate"):
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    return context

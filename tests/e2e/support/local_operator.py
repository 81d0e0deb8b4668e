"""An operator as a process of the tests' own, over a proxied API server and a proxied log.

It runs beside no other: the runner starts these tests on a cluster without the chart. Each one
watches the namespaces it is given, and has its own lease and its own folder.
"""

import itertools
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request

from support.api import Api
from support.waiting import eventually


# Below those that the system gives to connections and the cluster to services: a port that is free
# between two lives of an operator is still free then.
PORTS = itertools.cycle(random.sample(range(15_000, 30_000), 5_000))


def free_port():
    for port in PORTS:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def lines_of(settings, indent=""):
    """Nested dicts as YAML; values are JSON, which YAML holds."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield f"{indent}{key}:"
            yield from lines_of(value, indent + "  ")
        else:
            yield f"{indent}{key}: {json.dumps(value)}"


class LocalOperator:
    """start() and kill() as often as one likes; every life has the same name, folder and log."""

    def __init__(self, build, name, settings):
        """settings: the configuration as nested dicts, over the defaults of these tests."""
        self.program = str(pathlib.Path(build, "controller", "databuild-controller"))
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="databuild-e2e-operator-")
        self.port, self.metrics_port = free_port(), free_port()
        self.process, self.lives = None, 0
        self.settings = {
            "dataDir": self.folder,
            "api": {"listen": f"127.0.0.1:{self.port}", "auth": "none"},
            "metrics": {"listen": f"127.0.0.1:{self.metrics_port}"},
            "lease": {"name": name, "namespace": "default"},
            "log": {"level": "debug"}}
        for key, value in settings.items():
            if isinstance(value, dict):
                value = {**self.settings.get(key, {}), **value}
            self.settings[key] = value

    def point_at(self, url):
        """Writes the kubeconfig: an API server without TLS, as the proxy is."""
        path = pathlib.Path(self.folder, "kubeconfig")
        path.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
            "clusters": [{"name": "proxy", "cluster": {"server": url}}],
            "users": [{"name": "nobody", "user": {}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}]}))
        self.settings["kubernetes"] = {**self.settings.get("kubernetes", {}),
                                       "kubeconfig": str(path)}

    def start(self):
        config = pathlib.Path(self.folder, "config.yaml")
        config.write_text("\n".join(lines_of(self.settings)) + "\n", encoding="utf-8")
        self.lives += 1
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, f"--config={config}"], stdout=log, stderr=log,
                env={**os.environ, "POD_NAME": self.name})

    def kill(self):
        """SIGKILL; returns when it is gone."""
        self.process.kill()
        self.process.wait(30)

    def restart(self):
        """A new life after a SIGKILL."""
        self.kill()
        self.start()

    def signal(self, number):
        self.process.send_signal(number)

    def wait_end(self, seconds=30):
        """The exit code of a process that ends by itself."""
        return self.process.wait(seconds)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def wait_ready(self, seconds=30):
        return eventually(f"operator {self.name} is ready", self.is_ready, seconds, every=0.05)

    def is_ready(self):
        try:
            return bool(self.probe("/readyz"))
        except (urllib.error.URLError, OSError):
            return False

    def probe(self, path):
        url = f"http://127.0.0.1:{self.metrics_port}{path}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read().decode()

    def metric(self, name, **labels):
        """The value of one series; 0 when there is none."""
        for line in self.probe("/metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and \
                    all(f'{key}="{text}"' in series for key, text in labels.items()):
                return float(value)
        return 0.0

    def graph(self, name):
        return Api("127.0.0.1", self.port, None).graph(name)

    def log_text(self):
        return pathlib.Path(self.folder, "log").read_text(encoding="utf-8", errors="replace")

    def close(self):
        if self.running():
            self.signal(signal.SIGCONT)
            self.kill()
        shutil.rmtree(self.folder)

"""Brings a cluster up and takes it down again, leaving nothing behind."""

import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

from harness import machine, oci, parts
from harness.certificates import Authority
from harness.processes import ControlGroup, Daemon, Network, run, wait_until

def say(text: str) -> None:
    print(f"cluster: {text}", file=sys.stderr, flush=True)


class Cluster:
    """One cluster; `layout` says where it lives. Used by one process at a time (see `lock`)."""

    def __init__(self, layout: parts.Layout):
        self.at = layout
        self.network = Network(layout.id, parts.NODE_ADDRESS)
        self.group = ControlGroup(layout.id)
        self.daemons = {name: Daemon(layout.state, name) for name in parts.NAMES}

    def lock(self):
        """Held until the returned file is closed: nobody else starts or stops this cluster meanwhile."""
        path = self.at.state.parent / f"{self.at.id}.lock"
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = open(path, "w")
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()  # whoever held it before us took the cluster and its lock file away

    def remove_lock(self) -> None:
        """The last act of whoever holds the lock after down()."""
        (self.at.state.parent / f"{self.at.id}.lock").unlink()
        if not any(self.at.state.parent.iterdir()):
            self.at.state.parent.rmdir()

    # What can be asked of a running cluster.

    def environment(self) -> dict[str, str]:
        path = f"{self.at.kubernetes}:{self.at.helm}:{os.environ['PATH']}"
        return {"KUBECONFIG": str(self.at.kubeconfig), "PATH": path,
                "DATABUILD_CLUSTER": self.at.name, "DATABUILD_AUDIT_LOG": str(self.at.audit_log)}

    def inside(self, command: list[str]) -> list[str]:
        return self.network.enter() + command

    def kubectl(self, *args: str, stdin: str | None = None, check: bool = True):
        done = subprocess.run(
            self.inside([f"{self.at.kubernetes}/kubectl", f"--kubeconfig={self.at.kubeconfig}", *args]),
            input=stdin, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
        return done

    def dead(self) -> list[str]:
        return [name for name, daemon in self.daemons.items() if daemon.pid() is None]

    def healthy(self) -> bool:
        return (self.at.state / "ready").exists() and not self.dead() and \
            self._apiserver_ready()

    # Up.

    def up(self, extra: dict[str, list[str]], volumes: int) -> None:
        if self.healthy():
            say(f"{self.at.id} is up already")
            return
        if self.at.state.exists() or self.group.members():
            say("cleaning up after a run that did not end well")
            self.down()
        started = time.monotonic()
        say(f"starting {self.at.id} (state in {self.at.state})")
        self._prepare()
        self._start(extra)
        self._populate(volumes)
        (self.at.state / "ready").touch()
        say(f"ready after {time.monotonic() - started:.1f} s")

    def _prepare(self) -> None:
        state = self.at.state
        state.mkdir(parents=True)
        machine.remember(state.parent)
        run("mount", "--bind", str(state), str(state))
        run("mount", "--make-rshared", str(state))  # pods see what kubelet mounts later
        self.network.create()
        self.group.create()
        parts.write_files(self.at)
        parts.issue_certificates(self.at, Authority(self.at.pki))

    def _start(self, extra: dict[str, list[str]]) -> None:
        for name, command in parts.commands(self.at).items():
            self.daemons[name].start(self.inside(command + extra.get(name, [])), self.group, {})
            if name == "containerd":
                self._wait_for("containerd", self._import_own_images)
            if name == "kube-apiserver":
                self._wait_for(name, self._apiserver_ready)

    def control(self, action: str, name: str, flags: list[str]) -> None:
        """stop, start or restart one part; `flags` are added to those it had."""
        daemon = self.daemons[name]
        if action in ("stop", "restart"):
            daemon.stop(grace=5)
        if action in ("start", "restart") and daemon.pid() is None:
            daemon.start_again(self.group, flags)
            if name == "kube-apiserver":
                self._wait_for(name, self._apiserver_ready)

    def _apiserver_ready(self) -> bool:
        return self.kubectl("get", "--raw=/readyz", check=False).returncode == 0

    def _wait_for(self, name: str, ready, seconds: float = 60) -> None:
        daemon = self.daemons[name]

        def look():
            if daemon.pid() is None:
                raise RuntimeError(f"{name} ended; its last words ({daemon.log}):\n{daemon.last_lines()}")
            return ready()
        try:
            wait_until(f"{name} becoming ready", look, seconds)
        except RuntimeError as error:
            if daemon.pid() is None:
                raise
            raise RuntimeError(f"{error}; its last words ({daemon.log}):\n{daemon.last_lines()}") from None

    def _import_own_images(self) -> bool:
        if self.ctr("version", check=False).returncode != 0:
            return False
        archive = self.at.state / "pause.tar"
        oci.write_image(archive, parts.PAUSE_IMAGE, {"/pause": self.at.kubernetes / "pause"},
                        {"Entrypoint": ["/pause"], "User": "65535:65535"})
        self.load_image(archive)
        oci.write_image(archive, "databuild.test/busybox:1", {
            f"/bin/{name}": pathlib.Path("/bin/busybox") for name in
            ("busybox", "sh", "cat", "echo", "nslookup", "sleep", "wget", "ls")},
            {"Cmd": ["/bin/sh"], "Env": ["PATH=/bin"]})
        self.load_image(archive)
        return True

    def _populate(self, volumes: int) -> None:
        self.kubectl("apply", "-f", str(self.at.source / "manifests/base.yaml"))
        self.make_volumes(1, volumes)
        self._wait_for("kubelet", lambda: "True" in self.kubectl(
            "get", "node", parts.NODE, "-o", "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
            check=False).stdout)
        self._wait_for("coredns", lambda: subprocess.run(self.inside(
            ["curl", "-sf", "-o", "/dev/null", f"http://{parts.NODE_ADDRESS}:8181/ready"])).returncode == 0)
        self._wait_for("kube-controller-manager", lambda: self.kubectl(
            "get", "serviceaccount", "default", check=False).returncode == 0)

    # Images and volumes.

    def ctr(self, *args: str, check: bool = True):
        return run("ctr", "--address", str(self.at.containerd_socket), "-n", "k8s.io", *args, check=check)

    def load_image(self, archive: pathlib.Path) -> list[str]:
        """Imports an OCI or Docker archive; the names of the images in it."""
        out = self.ctr("images", "import", str(archive))
        return [line.split()[1] for line in out.stdout.splitlines() if line.startswith("unpacking ")]

    def make_volumes(self, first: int, count: int) -> None:
        for number in range(first, first + count):
            folder = self.at.state / "volumes" / f"local-{number:03}"
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, 65532, 65532)
            folder.chmod(0o2775)
        self.kubectl("create", "-f", "-", stdin=parts.volumes(self.at, first, count))

    def recycle_volumes(self) -> list[str]:
        """Volumes whose claim is gone become empty and free again (there is no provisioner that would)."""
        items = json.loads(self.kubectl("get", "pv", "-o", "json").stdout)["items"]
        released = [item["metadata"]["name"] for item in items if item["status"]["phase"] == "Released"]
        for name in released:
            self.kubectl("delete", "pv", name, "--wait=true")
            shutil.rmtree(self.at.state / "volumes" / name)
            self.make_volumes(int(name.rpartition("-")[2]), 1)
        return released

    # Down.

    def down(self) -> None:
        self._end_containers()
        for name in reversed(parts.NAMES):
            self.daemons[name].stop(grace=3)
        self.group.end_members()
        sockets = self._shim_sockets()
        self._unmount()
        for socket in sockets:
            socket.unlink(missing_ok=True)
        self.group.delete()
        self.network.delete()
        machine.forget_cluster(self.at.id, self.at.state)
        if self.at.state.exists():
            shutil.rmtree(self.at.state)
        machine.restore_after_last(self.at.state.parent)

    def _end_containers(self) -> None:
        """Before the daemons: no kubelet that starts a pod again, no pod namespace left in /run/netns."""
        for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "coredns", "kube-proxy"):
            self.daemons[name].stop(grace=3)
        names = {pathlib.Path(file).name for file in self._pod_namespaces()}
        self.group.end_members(pods_only=True)
        for name in names:
            run("umount", f"/run/netns/{name}", check=False)
            pathlib.Path("/run/netns", name).unlink(missing_ok=True)

    def _pod_namespaces(self) -> list[str]:
        """Paths of the pods' network namespaces, as written in the bundles of their sandboxes."""
        found = []
        for file in self.at.state.glob("containerd/state/io.containerd.runtime.v2.task/k8s.io/*/config.json"):
            spaces = json.loads(file.read_text())["linux"]["namespaces"]
            found += [space["path"] for space in spaces
                      if space["type"] == "network" and space.get("path", "").startswith("/var/run/netns/")]
        return found

    def _shim_sockets(self) -> list[pathlib.Path]:
        found = []
        for file in self.at.state.glob("containerd/state/io.containerd.runtime.v2.task/*/*/address"):
            found.append(pathlib.Path(file.read_text().strip().removeprefix("unix://")))
        return found

    def _unmount(self) -> None:
        lines = pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
        points = [line.split()[4].replace("\\040", " ") for line in lines]
        prefix = f"{self.at.state}/"
        for point in sorted((p for p in points if f"{p}/".startswith(prefix)), key=len, reverse=True):
            run("umount", point, check=False).returncode == 0 or run("umount", "--lazy", point)

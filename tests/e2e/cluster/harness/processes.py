"""Network namespace, control groups and daemons of one cluster.

Every process of a cluster is either a daemon whose pid and start time are recorded, or a descendant
that sits in the cluster's own control groups. Only those are ever signalled.
"""

import json
import os
import pathlib
import signal
import subprocess
import time

CGROUPS = pathlib.Path("/sys/fs/cgroup")


def run(*command: str, check: bool = True) -> subprocess.CompletedProcess:
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {(done.stderr or done.stdout).strip()}")
    return done


def wait_until(what: str, condition, seconds: float, every: float = 0.1):
    """Polls `condition` until it returns something true, which is returned."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(every)


class Network:
    """A network namespace whose node address lives on a veth pair that never leaves it."""

    def __init__(self, name: str, address: str):
        self.name, self.address = name, address

    def enter(self) -> list[str]:
        # Not `ip netns exec`: that remounts /sys and hides the control groups from kubelet.
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]

    def create(self) -> None:
        run("ip", "netns", "add", self.name)
        for command in ("link set lo up", "link add node0 type veth peer name node1",
                        f"addr add {self.address}/24 dev node0", "link set node0 up",
                        "link set node1 up", "route add default dev node0"):
            run("ip", "-n", self.name, *command.split())

    def delete(self) -> None:
        if pathlib.Path("/run/netns", self.name).exists():
            run("ip", "netns", "delete", self.name)


class ControlGroup:
    """The group /NAME, made in every hierarchy (cgroup v1) or in the only one (v2) for kubelet's pods.
    Daemons join NAME/daemons in one hierarchy, enough to find them and their children again."""

    def __init__(self, name: str):
        self.name = name
        if (CGROUPS / "cgroup.controllers").exists():
            self.roots, self.tracker = [CGROUPS], CGROUPS
        else:
            self.roots = [f for f in sorted(CGROUPS.iterdir())
                          if f.is_dir() and not f.is_symlink() and (f / "cgroup.procs").exists()]
            self.tracker = CGROUPS / "pids"
        self.daemons = self.tracker / name / "daemons"

    def create(self) -> None:
        for root in self.roots:
            group = root / self.name
            if root == CGROUPS:
                self._pass_controllers_on(root)
                group.mkdir(exist_ok=True)
                self._pass_controllers_on(group)
                continue
            group.mkdir(exist_ok=True)
            for file in ("cpuset.cpus", "cpuset.mems"):  # starts empty and then admits nobody
                if (group / file).exists():
                    (group / file).write_text((root / file).read_text())
        self.daemons.mkdir(exist_ok=True)

    @staticmethod
    def _pass_controllers_on(group: pathlib.Path) -> None:
        for controller in (group / "cgroup.controllers").read_text().split():
            try:
                (group / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError:
                pass  # one that this machine cannot delegate; kubelet names those it misses

    def join(self) -> None:
        (self.daemons / "cgroup.procs").write_text(str(os.getpid()))

    def members(self, pods_only: bool = False) -> set[int]:
        found: set[int] = set()
        for root in self.roots:
            below = "kubepods/**/cgroup.procs" if pods_only else "**/cgroup.procs"
            for file in (root / self.name).glob(below):
                try:
                    found.update(int(pid) for pid in file.read_text().split())
                except OSError:
                    pass  # the group went away while we looked
        return found

    def end_members(self, pods_only: bool = False) -> None:
        for _ in range(100):
            pids = self.members(pods_only)
            if not pids:
                return
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.05)
        raise RuntimeError(f"processes {sorted(self.members())} of {self.name} do not end")

    def delete(self) -> None:
        def remove(group: pathlib.Path) -> None:
            folders = sorted(group.glob("**/"), key=lambda f: len(f.parts), reverse=True)
            for folder in folders:
                try:
                    folder.rmdir()
                except OSError:
                    pass
        for root in self.roots:
            if (root / self.name).exists():
                wait_until(f"removing control group {root / self.name}",
                           lambda: remove(root / self.name) or not (root / self.name).exists(), 10)


class Daemon:
    """One long-running part of the cluster, known by the record it leaves in the state folder."""

    def __init__(self, state: pathlib.Path, name: str):
        self.name = name
        self.record = state / "daemons" / f"{name}.json"
        self.log = state / "logs" / f"{name}.log"

    @staticmethod
    def _started(pid: int) -> str | None:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]

    def pid(self) -> int | None:
        """The pid if it still is the process that we started, else None."""
        try:
            record = json.loads(self.record.read_text())
        except OSError:
            return None
        alive = record["pid"] and self._started(record["pid"]) == record["started"]
        return record["pid"] if alive else None

    def start(self, command: list[str], group: ControlGroup, environment: dict[str, str]) -> None:
        self.record.parent.mkdir(exist_ok=True)
        self.log.parent.mkdir(exist_ok=True)
        with open(self.log, "ab") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                     start_new_session=True, preexec_fn=group.join,
                                     env={"PATH": os.environ["PATH"], "HOME": "/root", **environment})
        self.record.write_text(json.dumps({
            "pid": child.pid, "started": self._started(child.pid), "command": command,
            "environment": environment}))

    def start_again(self, group: ControlGroup, extra: list[str]) -> None:
        record = json.loads(self.record.read_text())
        self.start(record["command"] + extra, group, record["environment"])

    def signal(self, number: int) -> bool:
        pid = self.pid()
        if pid is not None:
            os.kill(pid, number)
        return pid is not None

    def stop(self, grace: float) -> None:
        """TERM (and CONT, should it be paused), after `grace` seconds KILL; returns when it is gone."""
        if not self.signal(signal.SIGTERM):
            return
        self.signal(signal.SIGCONT)
        try:
            wait_until(f"the end of {self.name}", lambda: self.pid() is None, grace, 0.02)
        except RuntimeError:
            self.signal(signal.SIGKILL)
            wait_until(f"the end of {self.name}", lambda: self.pid() is None, 10, 0.02)

    def last_lines(self, count: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except OSError:
            return "(no log)"

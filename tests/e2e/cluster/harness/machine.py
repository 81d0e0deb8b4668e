"""What clusters change on the machine outside their own folders, and how it is undone.

kubelet, the CNI library and containerd have places and kernel settings that no flag can move. The state
from before the first cluster is written down in `clusters`, the folder that holds all clusters' states.
"""

import json
import os
import pathlib
import shutil

SETTINGS = [pathlib.Path("/proc/sys", name) for name in (
    "vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes")]
FOLDERS = [pathlib.Path(name) for name in (
    "/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", "/run/containerd")]


def remember(clusters: pathlib.Path) -> None:
    """Before a cluster starts; the first one's record stands."""
    record = clusters / "machine.json"
    if not record.exists():
        record.write_text(json.dumps({
            "settings": {str(file): file.read_text() for file in SETTINGS if file.exists()},
            "folders": [str(folder) for folder in FOLDERS if not folder.exists()]}))


def forget_cluster(cluster_id: str, state: pathlib.Path) -> None:
    """Removes a stopped cluster's entries from the folders that all clusters share."""
    for link in pathlib.Path("/var/log/containers").glob("*"):
        if link.is_symlink() and os.readlink(link).startswith(f"{state}/"):
            link.unlink()
    for file in pathlib.Path("/var/lib/cni/results").glob(f"{cluster_id}-*"):
        file.unlink()


def restore_after_last(clusters: pathlib.Path) -> None:
    """Gives the kernel settings back and removes the folders, when no cluster is left."""
    record = clusters / "machine.json"
    if not record.exists() or any(entry.is_dir() for entry in clusters.iterdir()):
        return
    before = json.loads(record.read_text())
    for file, value in before["settings"].items():
        pathlib.Path(file).write_text(value)
    for name in before["folders"]:
        folder = pathlib.Path(name)
        in_use = [entry for entry in folder.rglob("*") if not entry.is_dir() and not entry.is_socket()]
        if folder.exists() and not in_use:
            shutil.rmtree(folder)
    record.unlink()

"""Writes container image archives (OCI layout in a tar) without any image builder."""

import hashlib
import io
import json
import pathlib
import tarfile


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def write_image(target: pathlib.Path, name: str, files: dict[str, pathlib.Path], config: dict) -> None:
    """An image of one layer: `files` maps paths in the image to executables on this machine;
    `config` is the OCI image config (Entrypoint, Cmd, User...)."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for path, source in files.items():
            _add(archive, path.lstrip("/"), source.read_bytes(), 0o755)
    blobs: list[tuple[str, bytes]] = []

    def blob(media_type: str, content: bytes) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs.append((digest, content))
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    layer_descriptor = blob("application/vnd.oci.image.layer.v1.tar", layer.getvalue())
    config_descriptor = blob("application/vnd.oci.image.config.v1+json", json.dumps({
        "architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer_descriptor["digest"]]},
    }).encode())
    manifest_descriptor = blob("application/vnd.oci.image.manifest.v1+json", json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config_descriptor, "layers": [layer_descriptor],
    }).encode())
    manifest_descriptor["annotations"] = {"io.containerd.image.name": name}
    with tarfile.open(target, mode="w") as archive:
        _add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(archive, "index.json", json.dumps(
            {"schemaVersion": 2, "manifests": [manifest_descriptor]}).encode())
        for digest, content in blobs:
            _add(archive, f"blobs/sha256/{digest}", content)

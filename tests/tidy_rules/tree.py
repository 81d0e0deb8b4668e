"""The files of the repository as the rules see them."""

import dataclasses
import fnmatch
import functools
import os
import pathlib
import subprocess

IGNORED_FOLDERS = {".git", "build", "__pycache__", "node_modules"}


@dataclasses.dataclass(frozen=True, order=True)
class Finding:
    """One place that breaks one rule."""

    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.message} [{self.rule}]"


class Tree:
    """Paths are relative to the root, with slashes."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.paths = sorted(self._list())

    def _list(self):
        if (self.root / ".git").exists():
            command = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others",
                       "--exclude-standard"]
            listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
            return {path for path in listed.split("\0") if path and self._is_file(path)}
        found = set()
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in IGNORED_FOLDERS]
            here = pathlib.Path(folder).relative_to(self.root)
            found.update((here / name).as_posix() for name in names)
        return found

    def _is_file(self, path):
        full = self.root / path
        return full.is_file() and not full.is_symlink()

    def matching(self, *patterns):
        """Paths that match one of the globs; * also crosses slashes."""
        return [path for path in self.paths
                if any(fnmatch.fnmatchcase(path, pattern) for pattern in patterns)]

    def exists(self, path):
        return (self.root / path).exists()

    def bytes(self, path):
        return (self.root / path).read_bytes()

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return self.bytes(path).decode("utf-8", errors="replace")

    @functools.lru_cache(maxsize=None)
    def lines(self, path):
        return self.text(path).split("\n")


def is_cpp(path):
    return path.endswith((".cc", ".h"))


def is_test(path):
    """Tests and what only tests use: free in their choice of headers."""
    stem = path.rsplit(".", 1)[0]
    return (path.startswith(("tests/", "bench/"))
            or stem.endswith(("_test", "_for_test", "_testing", "_bench", "_contract")))

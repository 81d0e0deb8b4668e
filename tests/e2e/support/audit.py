"""The API server's audit log: who wrote and who listed what, between two moments."""

import datetime
import json

WRITES = {"create", "update", "patch", "delete", "deletecollection"}
LONGEST_LINE = 1 << 20  # bytes; at level Metadata a line has a few thousand


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def _time(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


class AuditLog:
    def __init__(self, path):
        self.path = path

    def position(self):
        """Where the log's last whole line ends now: entries() reads from here on."""
        with open(self.path, "rb") as file:
            begin = max(0, file.seek(0, 2) - LONGEST_LINE)
            file.seek(begin)
            return begin + file.read().rfind(b"\n") + 1

    def entries(self, position, user):
        """The finished requests of `user` since the position, oldest first."""
        found = []
        with open(self.path, "rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # still being written
                entry = json.loads(line)
                if entry.get("stage") != "ResponseComplete":
                    continue
                if entry.get("user", {}).get("username") == user:
                    found.append(Request(entry))
        return found


class Request:
    def __init__(self, entry):
        target = entry.get("objectRef", {})
        self.verb = entry["verb"]
        self.resource = target.get("resource", entry.get("requestURI", ""))
        self.subresource = target.get("subresource", "")
        self.namespace = target.get("namespace", "")
        self.name = target.get("name", "")
        self.dry_run = "dryRun=" in entry.get("requestURI", "")
        self.agent = entry.get("userAgent", "")
        self.code = entry.get("responseStatus", {}).get("code", 0)
        self.received = _time(entry["requestReceivedTimestamp"])
        self.answered = _time(entry["stageTimestamp"])

    def is_write(self):
        """Anything that changes an object. Leases are renewed for ever and reviews store nothing."""
        reviews = {"tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews"}
        return self.verb in WRITES and self.resource not in reviews | {"leases"}

    def is_list(self):
        return self.verb == "list"

    def __repr__(self):
        target = "/".join(part for part in (self.namespace, self.resource, self.name,
                                            self.subresource) if part)
        return f"{self.received:%H:%M:%S.%f} {self.verb} {target} {self.code}"

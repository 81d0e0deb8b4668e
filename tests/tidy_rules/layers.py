"""Who may include what: layers of the project, third-party headers, the planner's purity."""

import fnmatch
import re

from tidy_rules.tree import Finding, is_cpp, is_test

INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]')

# Folder -> folders whose headers it may include; the longest match counts. proto -> bel -> planner
# -> reconciler -> main; kube, api, metrics and config are branches that meet only in main.
LAYERS = {
    "proto": ["proto"],
    "bel/base": ["bel/base"],
    "bel/ranges": ["bel/base", "bel/ranges"],
    "bel": ["proto", "bel"],
    "controller/planner": ["proto", "bel", "controller/planner"],
    "controller/reconciler": ["proto", "bel", "controller/planner", "controller/reconciler"],
    "controller/kube": ["proto", "bel/base", "controller/kube"],
    "controller/api": ["proto", "bel", "controller/api"],
    "controller/logs": ["proto", "bel", "controller/logs"],
    "controller/metrics": ["proto", "bel", "controller/metrics"],
    "controller/config": ["bel/base", "controller/config"],
    "controller": ["proto", "bel", "controller"],
    "cli": ["proto", "bel/base", "bel/ranges", "cli"],
    "wrapper": ["proto", "bel/base", "wrapper"],
    "tools/bel": ["proto", "bel", "tools/bel"],
}

# Headers that speak across branches: (header, layer that may include it, why).
INTERFACES = [
    ("controller/planner/effect.h", "controller/kube", "kube carries out what the planner decided"),
    ("controller/planner/observed.h", "controller/kube", "kube reports what the planner reads"),
    ("controller/reconciler/cluster.h", "controller/kube", "kube implements the Cluster interface"),
    ("controller/reconciler/cluster.h", "controller/logs", "the collector stands between the two"),
    ("controller/planner/effect.h", "controller/logs", "it sees what the cluster told the planner"),
    ("controller/logs/pod_logs.h", "controller/kube", "kube reads the logs of pods"),
    ("controller/api/log_source.h", "controller/logs", "the collector answers what the api asks"),
    ("wrapper/digest.h", "controller/logs", "the proof that databuild-exec leaves in its receipt"),
    ("controller/api/auth.h", "controller/kube", "kube implements the api's reviews of tokens"),
    ("controller/api/object_creator.h", "controller/kube", "kube creates what the api's callers put"),
    ("controller/metrics/metrics.h", "controller/api", "the api counts its requests"),
    ("wrapper/protocol.h", "controller/kube", "the Job carries the wrapper's contract"),
]

# Include prefix -> the product's files that may use it. Tests may use what they like.
THIRD_PARTY = {
    "libpq": (["libpq-fe.h", "postgresql/"], ["bel/postgres_*.cc"]),
    "sqlite3": (["sqlite3.h"], ["bel/sqlite_*.cc"]),
    "cpprest": (["cpprest/", "pplx/"], ["controller/kube/http_transport.cc"]),
    "Boost": (["boost/"], ["controller/api/http_*.cc", "controller/api/probe.cc"]),
    "abseil": (["absl/"], ["bel/entities.h", "bel/ref_order.h", "bel/state_archive.h"]),
    "simdjson": (["simdjson"], ["controller/kube/json_view.cc", "controller/logs/log_line.cc"]),
    "prometheus": (["prometheus/"], ["controller/metrics/metrics.cc"]),
    "yaml-cpp": (["yaml-cpp/"], ["controller/config/yaml_tree.cc", "controller/kube/kubeconfig.cc"]),
    "OpenSSL": (["openssl/"], ["bel/ids.cc", "bel/segment.cc", "wrapper/digest.cc",
                               "controller/kube/http_transport.cc", "bel/base/crypto.cc",
                               "controller/kube/job_manifest.cc"]),
    "RE2": (["re2/"], ["controller/planner/pattern_regex.cc", "bel/query_*.cc", "bel/glob.cc"]),
    "CLI11": (["CLI/"], ["controller/config/command_line.cc", "cli/*.cc", "tools/bel/options.cc"]),
    "spdlog": (["spdlog/"], ["bel/base/log.cc"]),
    "zlib": (["zlib.h"], ["controller/api/gzip.cc"]),
    "zstd": (["zstd"], ["bel/segment.cc", "bel/log_chunks.cc", "controller/kube/job_manifest.cc", "wrapper/spec.cc"]),
    "nlohmann-json": (["nlohmann/"], ["*.cc"]),
}

# What can block, print, read a clock or draw lots.
IMPURE_HEADERS = {
    "thread", "mutex", "shared_mutex", "condition_variable", "future", "semaphore", "latch",
    "barrier", "chrono", "ctime", "time.h", "iostream", "fstream", "ostream", "print", "cstdio",
    "stdio.h", "filesystem", "random", "unistd.h", "fcntl.h", "poll.h", "netdb.h",
    "bel/base/log.h", "bel/event_log.h", "bel/storage.h", "bel/open_storage.h",
}
IMPURE_CALL = re.compile(r"\bSystemClock\b|(?:\.|->)Now\(\)|\bstd::rand\b|\bgetenv\(")
# Headers the walk does not enter: they print only on the way to abort().
PURE_ENOUGH = {"bel/base/check.h"}


def includes_of(tree, path):
    """(line number, text between the quotes or brackets)."""
    for number, line in enumerate(tree.lines(path), 1):
        found = INCLUDE.match(line)
        if found:
            yield number, found.group(2)


def layer_of(path):
    """The entry of LAYERS that `path` lies in, or None."""
    path = "proto/" if path.startswith("databuild/v1/") else path
    candidates = [layer for layer in LAYERS if path.startswith(layer + "/")]
    return max(candidates, key=len, default=None)


def check_layers(tree):
    """A layer includes only what lies below it, and interfaces that were made for it."""
    for path in filter(is_cpp, tree.paths):
        layer = layer_of(path)
        if layer is None or is_test(path):
            continue
        for number, header in includes_of(tree, path):
            below = layer_of(header)
            if below is None or below in LAYERS[layer]:
                continue
            if any(below.startswith(allowed + "/") for allowed in LAYERS[layer]):
                continue
            if any(header == known and layer == user for known, user, _ in INTERFACES):
                continue
            yield Finding(path, number, "layers", f"{layer} must not include {header}")


def check_third_party(tree):
    """Third-party headers stay in the few .cc files that need them."""
    for path in filter(is_cpp, tree.paths):
        if is_test(path):
            continue
        for number, header in includes_of(tree, path):
            for library, (prefixes, files) in THIRD_PARTY.items():
                if not header.startswith(tuple(prefixes)):
                    continue
                if not any(fnmatch.fnmatchcase(path, pattern) for pattern in files):
                    yield Finding(path, number, "third-party",
                                  f"{library} belongs in {', '.join(files)}; <{header}> is not "
                                  "allowed here")


def impure_includes(tree, path, seen):
    """The first impure header that each include of `path` leads to: (line, chain)."""
    for number, header in includes_of(tree, path):
        if header in IMPURE_HEADERS or header.startswith("sys/"):
            yield number, header
        elif header not in seen and header not in PURE_ENOUGH and tree.exists(header):
            seen.add(header)
            for _, chain in impure_includes(tree, header, seen):
                yield number, f"{header} -> {chain}"


def check_planner_is_pure(tree):
    """The planner, with everything it includes, cannot block, print, read a clock or draw lots."""
    for path in tree.matching("controller/planner/*.h", "controller/planner/*.cc"):
        if is_test(path):
            continue
        for number, chain in impure_includes(tree, path, set()):
            yield Finding(path, number, "planner-pure", f"the planner must not include {chain}")
        for number, line in enumerate(tree.lines(path), 1):
            if IMPURE_CALL.search(line.split("//")[0]):
                yield Finding(path, number, "planner-pure",
                              "the planner is told the time; it reads no clock, no environment")

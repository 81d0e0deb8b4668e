"""Command lines and configuration files of every part of the cluster."""

import dataclasses
import json
import pathlib

NODE = "node-1"
NODE_ADDRESS = "10.77.0.1"
POD_RANGE = "10.244.0.0/16"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVER = f"https://{NODE_ADDRESS}:6443"
PAUSE_IMAGE = "databuild.test/pause:1"

# In the order of starting; they are stopped in the reverse order.
NAMES = ("etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler",
         "kube-proxy", "kubelet", "coredns")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where one cluster keeps its things."""
    id: str                   # names the network namespace and the control group as well
    name: str                 # what the user calls it
    state: pathlib.Path
    kubernetes: pathlib.Path  # this and the next two: folders with binaries
    coredns: pathlib.Path
    helm: pathlib.Path
    source: pathlib.Path      # tests/e2e/cluster

    @property
    def pki(self) -> pathlib.Path:
        return self.state / "pki"

    @property
    def containerd_socket(self) -> pathlib.Path:
        return self.state / "containerd.sock"

    @property
    def audit_log(self) -> pathlib.Path:
        return self.state / "audit.log"

    @property
    def kubeconfig(self) -> pathlib.Path:
        return self.state / "kubeconfig"

    def kubeconfig_of(self, user: str) -> pathlib.Path:
        return self.state / f"{user}.kubeconfig"


def containerd_config(at: Layout) -> str:
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE runc dies when it lowers a score.
    return f"""version = 2
root = "{at.state}/containerd/root"
state = "{at.state}/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.restart", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing"]
[grpc]
  address = "{at.containerd_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{at.state}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  sandbox_image = "{PAUSE_IMAGE}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{at.state}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


def cni_config(at: Layout) -> str:
    return json.dumps({
        "cniVersion": "0.4.0", "name": at.id, "plugins": [
            {"type": "bridge", "bridge": "pods", "isGateway": True, "ipMasq": True,
             "hairpinMode": True, "ipam": {
                 "type": "host-local", "dataDir": f"{at.state}/cni-addresses",
                 "ranges": [[{"subnet": POD_RANGE}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ]}, indent=1)


def kubelet_config(at: Layout) -> str:
    return json.dumps({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": f"{at.pki}/ca.crt"}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{at.pki}/kubelet.crt", "tlsPrivateKeyFile": f"{at.pki}/kubelet.key",
        "containerRuntimeEndpoint": f"unix://{at.containerd_socket}",
        "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{at.id}", "failSwapOn": False,
        "oomScoreAdj": 0, "maxPods": 500, "resolvConf": "", "clusterDomain": "cluster.local",
        "clusterDNS": [NODE_ADDRESS], "podLogsDir": f"{at.state}/pod-logs",
        "volumePluginDir": f"{at.state}/kubelet/plugins-exec",
        "serializeImagePulls": False, "registryPullQPS": 0, "eventRecordQPS": 0,
        "kubeAPIQPS": 200, "kubeAPIBurst": 400,
        # Images are only ever loaded by hand: collecting them would lose them for good.
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%",
                         "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
    }, indent=1)


def proxy_config(at: Layout) -> str:
    # masqueradeAll: pods of one bridge reach each other through services without br_netfilter.
    return json.dumps({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(at.kubeconfig_of("kube-proxy"))},
        "mode": "iptables", "clusterCIDR": POD_RANGE, "hostnameOverride": NODE, "oomScoreAdj": 0,
        "iptables": {"masqueradeAll": True, "minSyncPeriod": "0s"},
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s",
                      "tcpCloseWaitTimeout": "0s", "udpTimeout": "0s", "udpStreamTimeout": "0s"},
    }, indent=1)


def corefile(at: Layout) -> str:
    return f""".:53 {{
  bind {NODE_ADDRESS}
  errors
  ready {NODE_ADDRESS}:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {{
    kubeconfig {at.kubeconfig_of("coredns")} databuild
    pods insecure
    ttl 2
  }}
}}
"""


def write_files(at: Layout) -> None:
    (at.state / "cni").mkdir(exist_ok=True)
    for file, content in {
            "containerd.toml": containerd_config(at), "cni/10-pods.conflist": cni_config(at),
            "kubelet.json": kubelet_config(at), "kube-proxy.json": proxy_config(at),
            "Corefile": corefile(at)}.items():
        (at.state / file).write_text(content)


def apiserver_command(at: Layout) -> list[str]:
    pki = at.pki
    return [
        f"{at.kubernetes}/kube-apiserver", "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE_ADDRESS}", "--bind-address=0.0.0.0", "--secure-port=6443",
        f"--service-cluster-ip-range={SERVICE_RANGE}", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--profiling=false",
        f"--client-ca-file={pki}/ca.crt", f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-account.pub",
        f"--service-account-signing-key-file={pki}/service-account.key",
        f"--audit-policy-file={at.source}/manifests/audit-policy.yaml",
        f"--audit-log-path={at.audit_log}", "--audit-log-format=json", "--audit-log-maxsize=4096",
    ]


def controller_manager_command(at: Layout) -> list[str]:
    return [
        f"{at.kubernetes}/kube-controller-manager", "--use-service-account-credentials",
        f"--kubeconfig={at.kubeconfig_of('kube-controller-manager')}",
        f"--root-ca-file={at.pki}/ca.crt",
        f"--service-account-private-key-file={at.pki}/service-account.key",
        f"--cluster-signing-cert-file={at.pki}/ca.crt", f"--cluster-signing-key-file={at.pki}/ca.key",
        "--leader-elect=false", "--profiling=false",
    ]


def commands(at: Layout) -> dict[str, list[str]]:
    kubernetes = at.kubernetes
    return {
        # No fsync: a test cluster need not survive a power cut.
        "etcd": [f"{kubernetes}/etcd", f"--data-dir={at.state}/etcd", "--unsafe-no-fsync",
                 "--listen-client-urls=http://127.0.0.1:2379", "--log-level=warn",
                 "--advertise-client-urls=http://127.0.0.1:2379",
                 "--listen-peer-urls=http://127.0.0.1:2380", "--quota-backend-bytes=8589934592"],
        "containerd": ["containerd", "--config", f"{at.state}/containerd.toml"],
        "kube-apiserver": apiserver_command(at),
        "kube-controller-manager": controller_manager_command(at),
        "kube-scheduler": [f"{kubernetes}/kube-scheduler", "--leader-elect=false",
                           f"--kubeconfig={at.kubeconfig_of('kube-scheduler')}", "--profiling=false"],
        "kube-proxy": [f"{kubernetes}/kube-proxy", f"--config={at.state}/kube-proxy.json"],
        "kubelet": [f"{kubernetes}/kubelet", f"--config={at.state}/kubelet.json",
                    f"--kubeconfig={at.kubeconfig_of('kubelet')}", f"--root-dir={at.state}/kubelet",
                    f"--node-ip={NODE_ADDRESS}", f"--hostname-override={NODE}",
                    f"--cert-dir={at.pki}"],
        "coredns": [f"{at.coredns}/coredns", "-conf", f"{at.state}/Corefile"],
    }


def issue_certificates(at: Layout, authority) -> None:
    authority.signing_key_pair("service-account")
    authority.issue("apiserver", "/CN=kube-apiserver", (
        NODE_ADDRESS, "10.96.0.1", "127.0.0.1", "localhost", "kubernetes", "kubernetes.default",
        "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"))
    authority.issue("kubelet-client", "/CN=kube-apiserver-kubelet-client")
    authority.issue("admin", "/O=system:masters/CN=admin")
    authority.issue("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", (NODE_ADDRESS, NODE))
    for name in ("kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"):
        authority.issue(name, f"/CN=system:{name}")
    for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns"):
        authority.kubeconfig(name, API_SERVER, at.kubeconfig_of(name))
    authority.kubeconfig("admin", API_SERVER, at.kubeconfig)


def volumes(at: Layout, first: int, count: int) -> str:
    """Persistent volumes for the StorageClass `local`: folders on the node that uid 65532 may write."""
    items = []
    for number in range(first, first + count):
        items.append({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"local-{number:03}"},
            "spec": {
                "storageClassName": "local", "capacity": {"storage": "20Gi"},
                "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
                "persistentVolumeReclaimPolicy": "Retain",
                "local": {"path": f"{at.state}/volumes/local-{number:03}"},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]}},
            }})
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})

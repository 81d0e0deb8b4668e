"""The cluster's certificate authority, the certificates it signs, and kubeconfig files made of them."""

import base64
import pathlib
import subprocess


def _openssl(*args: str) -> None:
    done = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(args)}: {done.stderr.strip()}")


class Authority:
    """Signs with an ECDSA P-256 key kept in `folder`; nothing outside the cluster trusts it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.certificate = folder / "ca.crt"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.certificate.exists():
            self._key("ca")
            _openssl("req", "-x509", "-new", "-key", str(folder / "ca.key"), "-days", "3650",
                     "-subj", "/CN=databuild-test-cluster", "-out", str(self.certificate),
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")

    def _key(self, name: str) -> None:
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                 str(self.folder / f"{name}.key"))

    def signing_key_pair(self, name: str) -> None:
        """A key pair without a certificate (service account tokens): NAME.key and NAME.pub."""
        self._key(name)
        _openssl("ec", "-in", str(self.folder / f"{name}.key"), "-pubout", "-out",
                 str(self.folder / f"{name}.pub"))

    def issue(self, name: str, subject: str, hosts: tuple[str, ...] = ()) -> None:
        """Signs NAME.crt for `subject`, good as client and, with `hosts`, as server certificate."""
        self._key(name)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        lines = ["keyUsage=critical,digitalSignature,keyEncipherment",
                 "extendedKeyUsage=clientAuth,serverAuth"]
        if hosts:
            names = [("IP:" if host[0].isdigit() else "DNS:") + host for host in hosts]
            lines.append("subjectAltName=" + ",".join(names))
        extensions.write_text("\n".join(lines) + "\n")
        _openssl("req", "-new", "-key", str(self.folder / f"{name}.key"), "-subj", subject,
                 "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey",
                 str(self.folder / "ca.key"), "-CAcreateserial", "-days", "3650",
                 "-extfile", str(extensions), "-out", str(self.folder / f"{name}.crt"))
        request.unlink()
        extensions.unlink()

    def kubeconfig(self, name: str, server: str, target: pathlib.Path) -> None:
        """Writes a kubeconfig that carries the certificate NAME inside it."""
        def inline(file: pathlib.Path) -> str:
            return base64.b64encode(file.read_bytes()).decode()
        target.write_text(f"""apiVersion: v1
kind: Config
clusters:
- name: databuild
  cluster:
    server: {server}
    certificate-authority-data: {inline(self.certificate)}
users:
- name: {name}
  user:
    client-certificate-data: {inline(self.folder / f"{name}.crt")}
    client-key-data: {inline(self.folder / f"{name}.key")}
contexts:
- name: databuild
  context: {{cluster: databuild, user: {name}}}
current-context: databuild
""")
        target.chmod(0o600)

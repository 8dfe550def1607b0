"""Certificates of a small authority, made with the `openssl` command: good ones, expired ones, of other names."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.system_packages import require_system


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, in PEM."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates; skips the test where there is no `openssl`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        require_system("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._own = Certificate(folder / f"{name}.pem", folder / f"{name}.key")
        _openssl(
            *("req", "-x509", *_new_key(self._own.key), "-subj", f"/CN={name}", "-days", "2"),
            *("-out", str(self._own.certificate)),
        )

    @property
    def certificate(self) -> Path:
        """What those need who trust it."""
        return self._own.certificate

    def issue(self, name: str, *, host: str = "", days: int = 2) -> Certificate:
        """Make a certificate.

        Args:
            name: Whose it is (its common name).
            host: The address it is good for, as a server's; empty is a client's.
            days: For how many days from now it is valid; negative is expired.
        """
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        kind = "IP" if host.replace(".", "").isdecimal() else "DNS"
        extensions.write_text(f"subjectAltName = {kind}:{host}\n" if host else "basicConstraints = CA:FALSE\n")
        _openssl("req", *_new_key(made.key), "-subj", f"/CN={name}", "-out", str(request))
        _openssl(
            *("x509", "-req", "-in", str(request), "-out", str(made.certificate), "-days", str(days)),
            *("-CA", str(self._own.certificate), "-CAkey", str(self._own.key), "-CAcreateserial"),
            *("-extfile", str(extensions)),
        )
        return made


def protect_key(key: Path, password: str) -> Path:
    """Give a copy of a key that is protected by a password."""
    protected = key.with_suffix(".protected")
    _openssl("ec", "-in", str(key), "-out", str(protected), "-aes256", "-passout", f"pass:{password}")
    return protected


def _new_key(path: Path) -> list[str]:
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(path)]


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)

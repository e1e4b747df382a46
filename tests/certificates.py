"""Certificates of an authority that lives as long as a test, made by OpenSSL."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

OPENSSL = shutil.which("openssl")
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    """Signs certificates.

    Args:
        directory: Where its files are kept, under the names that QEMU uses.
    """

    def __init__(self, directory: Path) -> None:
        if OPENSSL is None:
            pytest.skip("there is no openssl here")
        self.directory = directory
        directory.mkdir()
        self._openssl(
            *("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=authority"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", "ca-key.pem", "-out", "ca-cert.pem"),
        )

    def sign(self, stem: str, name: str, *, other: str = "", days: int = 2) -> None:
        """Make *stem*-cert.pem and *stem*-key.pem.

        Args:
            stem: How the files are called.
            name: The subject's common name.
            other: An alternative name, such as ``DNS:localhost``.
            days: How long it is valid; a negative number: it has expired.
        """
        more = ["-addext", f"subjectAltName={other}"] if other else []
        self._openssl(
            *("req", *_KEY, "-subj", f"/CN={name}", *more),
            *("-keyout", f"{stem}-key.pem", "-out", f"{stem}.csr"),
        )
        self._openssl(
            *("x509", "-req", "-in", f"{stem}.csr", "-days", str(days)),
            *("-CA", "ca-cert.pem", "-CAkey", "ca-key.pem"),
            *("-copy_extensions", "copy", "-out", f"{stem}-cert.pem"),
        )
        (self.directory / f"{stem}-key.pem").chmod(0o600)

    def revoke(self, stem: str) -> None:
        """Let a certificate count no more: make ca-crl.pem."""
        settings = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\n"
        (self.directory / "ca.cnf").write_text(f"{settings}default_crl_days=2\n")
        (self.directory / "index").touch()
        words = ["ca", "-config", "ca.cnf", "-cert", "ca-cert.pem"]
        words += ["-keyfile", "ca-key.pem"]
        self._openssl(*words, "-revoke", f"{stem}-cert.pem")
        self._openssl(*words, "-gencrl", "-out", "ca-crl.pem")

    def client_context(self, stem: str = "") -> ssl.SSLContext:
        """Return how a client speaks; with a certificate of its own if it has one."""
        context = ssl.create_default_context(cafile=self.directory / "ca-cert.pem")
        if stem:
            context.load_cert_chain(
                self.directory / f"{stem}-cert.pem", self.directory / f"{stem}-key.pem"
            )
        return context

    def _openssl(self, *words: str) -> None:
        subprocess.run(
            [str(OPENSSL), *words],
            cwd=self.directory,
            check=True,
            capture_output=True,
            timeout=30,
        )


def make_authority(directory: Path) -> Authority:
    """Return an authority with a server and some clients."""
    authority = Authority(directory)
    authority.sign("server", "localhost", other="DNS:localhost,IP:127.0.0.1")
    authority.sign("alice", "alice", other="DNS:alice.example")
    authority.sign("late", "late", days=-1)
    return authority

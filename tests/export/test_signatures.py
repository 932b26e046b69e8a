"""Signatures: valid for OpenSSH too, and for nothing but what was signed."""

import subprocess
from pathlib import Path

import pytest

from rustnet.errors import UsageError
from rustnet.export.signatures import (
    NAMESPACE,
    SignatureError,
    SigningKey,
    expected_signer,
    public_line,
    signer_of,
)

CONTENT = b'{"files": []}\n'


def run(*words: str | Path, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(word) for word in words], input=content, capture_output=True, timeout=30, check=False)


def test_a_new_key_is_private_and_the_same_next_time(tmp_path: Path) -> None:
    path = tmp_path / "config" / "signing.key"
    key = SigningKey.of_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert SigningKey.of_file(path).fingerprint == key.fingerprint
    assert key.fingerprint in repr(key)


def test_openssh_verifies_a_signature(tmp_path: Path) -> None:
    key = SigningKey.of_file(tmp_path / "signing.key")
    signature = tmp_path / "manifest.json.sig"
    signature.write_bytes(key.sign(CONTENT))
    signers = tmp_path / "signers"
    signers.write_text(f"analyst {public_line(key.public)}\n")
    verify = ("ssh-keygen", "-Y", "verify", "-f", signers, "-I", "analyst", "-n", NAMESPACE.decode(), "-s", signature)
    assert run(*verify, content=CONTENT).returncode == 0
    assert run(*verify, content=CONTENT + b" ").returncode != 0


def test_a_key_and_a_signature_of_openssh_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "id"
    assert run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path, "-C", "analyst").returncode == 0
    listed = run("ssh-keygen", "-l", "-f", path).stdout.decode().split()[1]
    key = SigningKey.of_file(path)
    assert key.fingerprint == listed
    assert (
        expected_signer(f"{path}.pub") == expected_signer(public_line(key.public)) == expected_signer(listed) == listed
    )
    made = run("ssh-keygen", "-Y", "sign", "-f", path, "-n", NAMESPACE.decode(), content=CONTENT).stdout
    assert signer_of(CONTENT, made) == listed
    assert key.sign(CONTENT) == made  # Ed25519 is deterministic: the same text, byte by byte


@pytest.mark.parametrize(
    ("kind", "phrase", "words"),
    [("rsa", "", "another kind"), ("ed25519", "a passphrase", "has a passphrase")],
)
def test_other_keys_are_refused(tmp_path: Path, kind: str, phrase: str, words: str) -> None:
    path = tmp_path / "id"
    run("ssh-keygen", "-q", "-t", kind, "-N", phrase, "-f", path)
    with pytest.raises(UsageError, match=words):
        SigningKey.of_file(path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signing.key"
    SigningKey.of_file(path)
    path.chmod(0o640)
    with pytest.raises(UsageError, match="chmod 600"):
        SigningKey.of_file(path)
    path.chmod(0o600)
    path.write_bytes(b"no key")
    with pytest.raises(UsageError, match="OpenSSH"):
        SigningKey.of_file(path)


def test_a_signature_for_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "id"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
    made = run("ssh-keygen", "-Y", "sign", "-f", path, "-n", "file", content=CONTENT).stdout
    with pytest.raises(SignatureError, match="something else"):
        signer_of(CONTENT, made)


def test_a_changed_signature_is_refused(tmp_path: Path) -> None:
    signature = SigningKey.of_file(tmp_path / "signing.key").sign(CONTENT)
    valid = signer_of(CONTENT, signature)
    assert valid.startswith("SHA256:")
    start = signature.index(b"\n") + 1
    for at in range(start, signature.rindex(b"\n-----")):
        if signature[at : at + 1] in b"=\n":
            continue
        changed = signature[:at] + (b"B" if signature[at : at + 1] == b"A" else b"A") + signature[at + 1 :]
        with pytest.raises(SignatureError):
            signer_of(CONTENT, changed)
    for cut in range(len(signature) - 1):
        with pytest.raises(SignatureError):
            signer_of(CONTENT, signature[:cut])


@pytest.mark.parametrize("text", ["SHA256:short", "ssh-ed25519 AAAA", "ssh-ed25519", "ssh-rsa AAAA"])
def test_no_signer(text: str) -> None:
    with pytest.raises(UsageError):
        expected_signer(text)

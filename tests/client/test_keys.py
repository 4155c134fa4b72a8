"""Keys that log in: made, read, used."""

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from client.keys import BadKey, NeedsPassphrase, make, private_path, public_line, signer

CHALLENGE = "moot login a server ann " + "0f" * 16


def verified(line: str, signature: str, text: str) -> None:
    """Raises InvalidSignature."""
    key = serialization.load_ssh_public_key(line.encode())
    assert isinstance(key, Ed25519PublicKey)
    key.verify(base64.b64decode(signature), text.encode())


def test_a_key_that_was_made_signs_what_its_public_half_verifies(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "here_6668"
    line = make(path, "ann on\nhere")
    assert line.endswith(" ann on here")
    assert public_line(path) == line
    verified(line, signer(path)(CHALLENGE), CHALLENGE)
    assert private_path(tmp_path / "keys" / "here_6668.pub") == path
    if sys.platform != "win32":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_is_not_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "key", "one")
    with pytest.raises(BadKey, match="exists"):
        make(tmp_path / "key", "two")


@pytest.mark.parametrize("text", ["transfer all money", "moot login \n" + "0f" * 16, "moot login x nonce", ""])
def test_nothing_but_a_login_is_signed(tmp_path: Path, text: str) -> None:
    make(tmp_path / "key", "")
    with pytest.raises(ValueError, match="no login"):
        signer(tmp_path / "key")(text)


def encrypted(path: Path, passphrase: str) -> str:
    """Have ssh-keygen make a key."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "me", "-f", path], check=True)
    return path.with_name(path.name + ".pub").read_text().strip()


def test_a_key_of_ssh_works_and_its_passphrase_is_asked_for(tmp_path: Path) -> None:
    line = encrypted(tmp_path / "id_ed25519", "open sesame")
    asked: list[str] = []

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return "open sesame"

    verified(line, signer(tmp_path / "id_ed25519.pub", ask)(CHALLENGE), CHALLENGE)
    assert asked == [f"Passphrase of {tmp_path / 'id_ed25519'}: "]
    with pytest.raises(NeedsPassphrase):
        signer(tmp_path / "id_ed25519")
    with pytest.raises(NeedsPassphrase):
        signer(tmp_path / "id_ed25519", lambda prompt: None)
    with pytest.raises(BadKey, match="is the passphrase right"):
        signer(tmp_path / "id_ed25519", lambda prompt: "wrong")


def test_other_files_are_refused_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(BadKey, match="ssh-keygen -t ed25519"):
        public_line(tmp_path / "none")
    (tmp_path / "rsa.pub").write_text("ssh-rsa AAAA me\n")
    with pytest.raises(BadKey, match="no public key of the kind ssh-ed25519"):
        public_line(tmp_path / "rsa.pub")
    with pytest.raises(BadKey, match="cannot be read"):
        signer(tmp_path / "none")
    (tmp_path / "junk").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\njunk\n")
    with pytest.raises(BadKey, match="no private key"):
        signer(tmp_path / "junk")
    text = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    (tmp_path / "ecdsa").write_bytes(text)
    with pytest.raises(BadKey, match="no Ed25519 key"):
        signer(tmp_path / "ecdsa")


def test_no_client_loads_what_signs_before_it_signs() -> None:
    code = (
        "import sys, client.keys, client.entering, client.net, client.plain, client.send, client.tail, moot.cli;"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'cryptography', 'bcrypt', 'textual'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"

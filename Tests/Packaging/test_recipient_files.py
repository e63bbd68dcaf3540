"""Runs commands with recipient files that rules name: without settings, and with pins that keep what the page says."""

import base64
import hashlib
import shutil

import pytest
import yaml

from conftest import BINARY, ROOT, run

VECTORS = ROOT / "Tests/Vectors/rsa"
KEY_ID = "vault-transit:transit/sb-offline"
LOCAL = {"SB_KMS_BACKEND": "local", "SB_ENV": "dev", "SB_WRAP_MASTER_KEY": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}


def fingerprint(bits):
    lines = (VECTORS / f"rsa-{bits}.pub.pem").read_text().splitlines()
    return "sha256:" + hashlib.sha256(base64.b64decode("".join(lines[1:-1]))).hexdigest()


def recipient_file(bits, key_id=KEY_ID):
    """Returns the text of a recipient file with one of the two public keys."""
    return yaml.safe_dump({
        "version": 1, "keyID": key_id, "keyVersion": "1", "algorithm": "RSA-OAEP-256", "fingerprint": fingerprint(bits),
        "publicKey": (VECTORS / f"rsa-{bits}.pub.pem").read_text()}, sort_keys=False)


class Repository:
    """A repository whose rule lists one recipient file, and a user without settings."""

    def __init__(self, folder):
        self.folder, self.home = folder / "repository", folder / "home"
        for path in (self.folder / ".git", self.folder / "keys", self.folder / "production", self.home):
            path.mkdir(parents=True)
        self.pins = self.home / "secrets-bridge/known-recipients"
        self.write("keys/production.yaml", recipient_file(3072))
        self.rule("{file: keys/production.yaml}")

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def rule(self, recipients):
        self.write(".secrets-bridge.yaml", f"version: 1\nrules:\n- path: production/**\n  recipients: [{recipients}]\n")

    def run(self, *arguments, **environment):
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home)}
        return run(BINARY, *arguments, check=False, cwd=self.folder, env=variables | environment)

    def wrap(self, *options, name="db", **environment):
        return self.run("wrap", "-n", "shop", "--name", name, "--from-literal", "a=b", "-w", f"production/{name}.yaml", *options, **environment)

    def recipients(self, name="db"):
        return [item["keyID"] for item in yaml.safe_load((self.folder / f"production/{name}.yaml").read_text())["spec"]["recipients"]]


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)


def test_a_rule_of_files_alone_needs_no_settings(repository):
    done = repository.wrap()
    assert done.returncode == 0, done.stderr
    assert f"recorded {fingerprint(3072)} as the key of {KEY_ID}" in done.stderr
    assert repository.recipients() == [KEY_ID]


def test_a_replaced_file_is_refused_until_it_is_confirmed(repository):
    assert repository.wrap().returncode == 0
    repository.write("keys/production.yaml", recipient_file(4096))
    refused = repository.wrap(name="web")
    assert refused.returncode == 1
    assert f"--accept-new-key {fingerprint(4096)}" in refused.stderr
    assert not (repository.folder / "production/web.yaml").exists()
    assert repository.wrap("--accept-new-key", fingerprint(4096), name="web").returncode == 0


def test_a_file_with_another_key_id_is_refused(repository):
    assert repository.wrap().returncode == 0
    repository.write("keys/production.yaml", recipient_file(4096, "vault-transit:transit/other"))
    assert "the file now has the key vault-transit:transit/other" in repository.wrap(name="web").stderr


def test_a_link_in_place_of_the_file_is_refused(repository):
    assert repository.wrap().returncode == 0
    repository.write("keys/evil.yaml", recipient_file(4096, "vault-transit:transit/other"))
    (repository.folder / "keys/production.yaml").unlink()
    (repository.folder / "keys/production.yaml").symlink_to("evil.yaml")
    assert repository.wrap(name="web").returncode == 1


@pytest.mark.parametrize("option", ["--dry-run", "--check"])
def test_a_rewrap_that_writes_nothing_records_nothing(repository, option):
    assert repository.wrap("--rules", "none", **LOCAL).returncode == 0
    repository.rule("{backend: local}, {file: keys/production.yaml}")
    done = repository.run("rewrap", option, ".", **LOCAL)
    assert f"+ {KEY_ID}" in done.stdout
    assert not repository.pins.exists()
    assert repository.run("rewrap", ".", **LOCAL).returncode == 0
    assert repository.pins.exists()
    assert repository.recipients()[1:] == [KEY_ID]


def test_options_of_rewrap_leave_the_files_of_rules_aside(repository):
    assert repository.wrap("--rules", "none", **LOCAL).returncode == 0
    repository.rule("{backend: local}, {file: keys/production.yaml}")
    done = repository.run("rewrap", "--add-recipient", "vault-transit", ".", **LOCAL)
    assert done.returncode != 0
    assert '"vault-transit" is not a configured key' in done.stderr
    assert KEY_ID not in done.stderr


def test_move_takes_the_recipients_of_the_place_it_goes_to(repository):
    assert repository.wrap("--rules", "none", "--scope", "namespace", **LOCAL).returncode == 0
    shutil.move(repository.folder / "production/db.yaml", repository.folder / "db.yaml")
    done = repository.run("move", "db.yaml", "--name", "orders", "-w", "production/orders.yaml", **LOCAL)
    assert done.returncode == 0, done.stderr
    assert repository.recipients("orders") == [KEY_ID]


def test_move_mends_a_file_in_the_wrong_namespace(repository):
    assert repository.wrap("--rules", "none", **LOCAL).returncode == 0
    repository.write(".secrets-bridge.yaml", "version: 1\nrules:\n- path: '**'\n  namespace: web\n")
    assert repository.run("move", "production/db.yaml", "--namespace", "web", **LOCAL).returncode == 0


def test_a_flag_and_a_rule_with_different_keys_of_one_id_are_refused(repository):
    assert repository.wrap("--rules", "none", **LOCAL).returncode == 0
    repository.rule("{backend: local}, {file: keys/production.yaml}")
    repository.write("other.yaml", recipient_file(4096))
    done = repository.run("set", "production/db.yaml", "--from-literal", "a=c", "--recipient", "other.yaml",
                          "--accept-new-key", fingerprint(4096), **LOCAL)
    assert done.returncode == 1
    assert "compare both with that of the key's owner" in done.stderr

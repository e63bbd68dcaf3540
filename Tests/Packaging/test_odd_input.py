"""Runs commands on input that once did harm: an empty standard input, links in place of files, and names that look like options."""

import pytest
import yaml

from conftest import BINARY, run

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "SB_KMS_BACKEND": "local", "SB_ENV": "dev",
               "SB_WRAP_MASTER_KEY": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}


@pytest.fixture
def folder(tmp_path):
    """A repository with a WrappedSecret, in a home of its own."""
    repository = tmp_path / "repository"
    repository.mkdir()
    call(repository, "git", "init", "-q")
    call(repository, BINARY, "wrap", "-n", "shop", "--name", "db", "--from-literal", "a=b", "-w", "db.yaml")
    return repository


def call(folder, *command, check=True, **options):
    user = {"HOME": str(folder.parent), "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.com", "GIT_COMMITTER_NAME": "A",
            "GIT_COMMITTER_EMAIL": "a@example.com"}
    programs = {"PATH": f"{folder.parent}/programs:{ENVIRONMENT['PATH']}"}
    return run(*command, check=check, cwd=folder, env=ENVIRONMENT | user | programs, **options)


def test_set_refuses_an_empty_standard_input(folder):
    before = (folder / "db.yaml").read_text()
    done = call(folder, BINARY, "set", "db.yaml", "a", check=False, input="")
    assert done.returncode == 1
    assert "standard input is empty" in done.stderr
    assert (folder / "db.yaml").read_text() == before


def test_git_setup_refuses_a_link_and_changes_nothing(folder):
    target = folder.parent / "profile"
    target.write_text("export A=1\n")
    (folder / ".gitattributes").symlink_to(target)
    before = (folder / ".git/config").read_text()
    done = call(folder, BINARY, "git-setup", check=False)
    assert done.returncode == 1
    assert "is a symbolic link" in done.stderr
    assert target.read_text() == "export A=1\n"
    assert (folder / ".git/config").read_text() == before


def test_git_diff_shows_a_file_whose_name_looks_like_an_option(folder):
    (folder.parent / "programs").mkdir()
    (folder.parent / "programs/secrets-bridge").symlink_to(BINARY)
    call(folder, BINARY, "git-setup", "--decrypt")
    (folder / "db.yaml").rename(folder / "--namespace=x.yaml")
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-qm", "1")
    call(folder, BINARY, "set", "./--namespace=x.yaml", "--from-literal", "a=c")
    assert "~ a" in call(folder, "git", "diff").stdout


def test_a_folder_with_a_link_in_place_of_a_manifest_is_not_reviewed_silently(folder):
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-qm", "1")
    (folder / "db.yaml").rename(folder / "blob.txt")
    (folder / "db.yaml").symlink_to("blob.txt")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "2")
    done = call(folder, BINARY, "diff", "--git", "HEAD~1..HEAD", "--exit-code", "-o", "json", check=False)
    assert done.returncode == 1
    assert [change["problem"] for change in yaml.safe_load(done.stdout) if change["change"] == "not compared"] == [
        "db.yaml was not compared: it is a symbolic link; commit the file itself at this path"]
    assert "1 WrappedSecret" in call(folder, BINARY, "verify", "--offline", ".").stdout

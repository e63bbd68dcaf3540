"""The kernel protects the memory of the program, also from other processes of its user."""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from conftest import BINARY

# Root may read every process, so that root runs the programs as another user.
USER = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}


@pytest.fixture(scope="module")
def program():
    """A copy of the program in a folder that another user may enter."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield shutil.copy(BINARY, folder / "secrets-bridge")
    shutil.rmtree(folder)


@pytest.fixture
def writable(tmp_path):
    """A folder in which the kernel may write a core dump of another user's program."""
    tmp_path.chmod(0o777)
    return tmp_path


def heed_quit():
    """Makes SIGQUIT end the next program. A shell ignores it in what it starts in the background, such as these tests."""
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@contextlib.contextmanager
def running(*command, cwd="/"):
    """Runs a program that waits for its input, and allows core dumps as far as the hard limit does. Yields its folder in /proc."""
    process = subprocess.Popen(
        ["sh", "-c", 'ulimit -S -c "$(ulimit -H -c)"; exec "$@"', "sh", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        cwd=cwd, preexec_fn=heed_quit, **USER)
    try:
        yield pathlib.Path(f"/proc/{process.pid}")
    finally:
        process.kill()
        process.communicate()


def protections(process, seconds):
    """Returns whether core dumps are disabled, and whether root owns the memory: the kernel closes it to the user (proc(5))."""
    deadline = time.monotonic() + seconds
    while True:
        core = re.search(r"Max core file size +(\S+) +(\S+)", (process / "limits").read_text()).groups()
        found = core == ("0", "0"), (process / "mem").stat().st_uid == 0
        if all(found) or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_the_memory_is_closed_to_core_dumps_and_to_other_processes(program):
    with running(program, "verify", "--offline", "-") as process:
        assert protections(process, 20) == (True, True)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT], ids=lambda number: number.name)
def test_a_crash_writes_no_core_dump(program, number, writable):
    with running(program, "verify", "--offline", "-", cwd=writable) as process:
        assert protections(process, 20) == (True, True)
        assert not dumps_core(process, number)


def test_a_core_dump_is_noticed(writable):
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 or pathlib.Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"):
        pytest.skip("this machine writes no core dumps as files")
    with running("sleep", "60", cwd=writable) as process:
        while not (process / "cmdline").read_bytes().startswith(b"sleep"):  # The shell has set its limit then.
            time.sleep(0.01)
        assert dumps_core(process, signal.SIGABRT)


def dumps_core(process, number):
    """Ends a child by a signal, and returns whether the kernel wrote a core dump (WCOREDUMP of wait(2))."""
    pid = int(process.name)
    os.kill(pid, number)
    deadline = time.monotonic() + 20
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        assert time.monotonic() < deadline, f"the program ignores {number.name}"
        time.sleep(0.01)
    status = ended[1]
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == number
    return os.WCOREDUMP(status)


def test_a_program_without_protection_is_noticed():
    with running("cat") as process:
        # A hard limit of 0, as in some containers, disables core dumps anyway.
        assert protections(process, 1) == (resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, False)

"""Limits the memory of one process: by a cgroup if this machine permits one, else by polling."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time

import process_memory

V1 = pathlib.Path("/sys/fs/cgroup/memory")
V2 = [pathlib.Path("/sys/fs/cgroup"), pathlib.Path("/sys/fs/cgroup/unified")]


def of(limit):
    """Returns the strictest limit of this many bytes that this machine supports."""
    for make in (CgroupV2, CgroupV1):
        with contextlib.suppress(OSError, StopIteration):
            return make(limit)
    return Watched(limit)


class Limit:
    def __init__(self):
        self.peak = 0  # MiB of anonymous memory
        self.process = None

    def command(self, command):
        return command

    def watch(self, process):
        self.process = process
        threading.Thread(target=self.sample, args=(process,), daemon=True).start()

    def sample(self, process):
        while process.poll() is None:
            self.peak = max(self.peak, process_memory.anonymous(process.pid) or 0)
            self.judge(process)
            time.sleep(0.01)

    def judge(self, process):
        pass

    @property
    def was_hit(self):
        """Returns whether the limit ended the process."""
        return self.process is not None and self.process.poll() == -signal.SIGKILL

    def remove(self):
        pass


class Watched(Limit):
    """Ends the process when a poll finds it above the limit. It may exceed the limit between two polls."""

    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def judge(self, process):
        if (process_memory.anonymous(process.pid) or 0) * 2**20 > self.limit:
            process.kill()


class Cgroup(Limit):
    """The process joins the group before it executes the program."""

    def __init__(self, parent, settings):
        super().__init__()
        self.folder = parent / f"sb-tenants-{os.getpid()}-{time.monotonic_ns()}"
        self.folder.mkdir()
        try:
            for name, value, is_needed in settings:
                if is_needed or (self.folder / name).exists():
                    (self.folder / name).write_text(str(value))
            # Creating a group can succeed although moving a process into it is denied.
            if subprocess.run(self.command(["true"]), stderr=subprocess.DEVNULL, check=False).returncode != 0:
                raise OSError(f"no process may enter {self.folder}")
        except OSError:
            self.remove()
            raise

    def command(self, command):
        return ["/bin/sh", "-c", 'echo $$ >"$0" && exec "$@"', str(self.folder / "cgroup.procs"), *command]

    def remove(self):
        for _ in range(100):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.05)


class CgroupV1(Cgroup):
    def __init__(self, limit):
        own = next(line.split(":")[2] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if "memory" in line.split(":")[1].split(","))
        super().__init__(V1 / own.lstrip("/"), [("memory.limit_in_bytes", limit, True), ("memory.memsw.limit_in_bytes", limit, False)])


class CgroupV2(Cgroup):
    def __init__(self, limit):
        own = next(line[3:] for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        for root in V2:
            folder = root / own.lstrip("/")
            # The nearest group whose children can have a memory limit.
            for parent in [folder, *folder.parents]:
                control = parent / "cgroup.subtree_control"
                if control.exists() and "memory" in control.read_text().split():
                    super().__init__(parent, [("memory.max", limit, True), ("memory.swap.max", 0, False)])
                    return
        raise OSError("no group with the memory controller")

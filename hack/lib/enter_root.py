"""Runs a program in a folder as a container runtime does: the folder is its read-only root, it has that user, no
capability and no way to get one, and exactly the given environment.

    enter_root.py ROOT UID GID [--mount SOURCE:TARGET]... [--env NAME=VALUE]... -- PROGRAM ARGUMENT...

Needs root, or a kernel that lets everybody make user namespaces. The mounts are read-only; their targets, and /proc and
/dev, which every container has, have to be there. Ends with the program, which takes its place.
"""

import ctypes
import os
import platform
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
MNT_DETACH = 2
PR_SET_NO_NEW_PRIVS, PR_CAPBSET_DROP, PR_SET_PDEATHSIG = 38, 24, 1
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        sys.exit(f"error: {what}: {os.strerror(number)}; entering a root needs root, or unprivileged user namespaces")


def unshare(flags, what):
    check(libc.unshare(flags), what)


def map_ids(inside, outside):
    """Maps the only user and group of this namespace to the outer ones."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{inside[0]} {outside[0]} 1"), ("gid_map", f"{inside[1]} {outside[1]} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def bind(source, target, writable=False):
    check(libc.mount(source.encode(), target.encode(), None, MS_BIND | MS_REC, None), f"cannot mount {source} at {target}")
    if not writable:
        # Flags that the outer namespace locked have to stay.
        locked = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)
        flags = MS_REMOUNT | MS_BIND | MS_RDONLY | locked
        check(libc.mount(None, target.encode(), None, flags, None), f"cannot make {target} read-only")


def pivot(root):
    """Changes the root by pivot_root, because a process in a chroot may not create a user namespace."""
    os.chdir(root)
    number = {"x86_64": 155, "aarch64": 41}[platform.machine()]
    check(libc.syscall(number, b".", b"."), f"cannot make {root} the root")
    check(libc.umount2(b".", MNT_DETACH), "cannot leave the machine's root")
    os.chdir("/")


def arguments(words):
    root, uid, gid, *rest = words
    mounts, environment = [], {}
    while rest[0] != "--":
        option, value, *rest = rest
        if option == "--mount":
            mounts.append(value.split(":"))
        else:
            name, _, environment[name] = value.partition("=")
    return root, int(uid), int(gid), mounts, environment, rest[1:]


def main():
    root, uid, gid, mounts, environment, command = arguments(sys.argv[1:])
    libc.prctl(PR_SET_PDEATHSIG, 15)
    is_root = os.geteuid() == 0
    if not is_root:
        outside = os.getuid(), os.getgid()
        unshare(CLONE_NEWUSER, "cannot make a user namespace")
        map_ids((0, 0), outside)
    unshare(CLONE_NEWNS, "cannot make a mount namespace")
    check(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "cannot part from the machine's mounts")
    bind(root, root)
    bind("/proc", f"{root}/proc", writable=True)
    bind("/dev", f"{root}/dev", writable=True)
    for source, target in mounts:
        bind(source, root + target)
    pivot(root)
    for capability in range(64):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    if is_root:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    else:
        # The only user, by its number in the container.
        unshare(CLONE_NEWUSER, "cannot make a user namespace")
        map_ids((uid, gid), (0, 0))
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.execve(command[0], command, environment)


main()

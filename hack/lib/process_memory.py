"""Reads the memory of a process in MiB, and its number of threads; returns None after its end."""


def resident(pid):
    """Returns the resident set size."""
    return field(pid, "VmRSS")


def anonymous(pid):
    """Returns the anonymous memory: the resident set without pages of programs and libraries."""
    return field(pid, "RssAnon")


def threads(pid):
    return number(pid, "Threads")


def field(pid, name):
    kilobytes = number(pid, name)
    return None if kilobytes is None else kilobytes / 1024


def number(pid, name):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1])
    except OSError:
        pass
    return None

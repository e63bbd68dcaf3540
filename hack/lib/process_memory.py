"""What a process holds in memory, in MiB; nil once it is gone."""


def resident(pid):
    """All of it: RSS."""
    return field(pid, "VmRSS")


def anonymous(pid):
    """What it has filled itself, without the pages of programs and libraries, which come as they are first used."""
    return field(pid, "RssAnon")


def field(pid, name):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith(name):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return None

"""The part of HTTP/1.1 that a proxy needs to forward each request and response, whole or chunk by chunk."""


class Broken(Exception):
    """The peer closed the connection or does not speak HTTP."""


class Reader:
    """Reads from a connection and keeps surplus bytes for the next call."""

    def __init__(self, connection):
        self.connection = connection
        self.kept = b""

    def _more(self):
        block = self.connection.recv(65536)
        if not block:
            raise Broken
        self.kept += block

    def until(self, mark):
        while mark not in self.kept:
            self._more()
        end = self.kept.index(mark) + len(mark)
        taken, self.kept = self.kept[:end], self.kept[end:]
        return taken

    def exactly(self, count):
        while len(self.kept) < count:
            self._more()
        taken, self.kept = self.kept[:count], self.kept[count:]
        return taken


class Head:
    def __init__(self, text):
        first, *lines = text.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.first = first.split(" ", 2)
        self.fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def is_chunked(self):
        return self.fields.get("transfer-encoding", "").lower() == "chunked"

    @property
    def length(self):
        return int(self.fields.get("content-length", "0"))

    @property
    def closes(self):
        return self.fields.get("connection", "").lower() == "close"


def pieces(reader, head):
    """Yields the body as it is on the wire, in pieces that can be forwarded at once."""
    if head.is_chunked:
        while True:
            line = reader.until(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line + reader.exactly(size + 2)
            if size == 0:
                return
    elif head.length:
        yield reader.exactly(head.length)

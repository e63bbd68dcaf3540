"""What goes wrong on the way to a server, by names that a report can use."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Weather:
    name: str
    # The proxy ends TLS and reads requests, to answer some itself. Else it passes bytes on, and HTTP/2 is spoken through it.
    reads_requests: bool = False
    # Of each request, the probability that it
    refused: float = 0  # is answered 429, with and without Retry-After
    failed: float = 0  # is answered 500 or 503
    lost_before: float = 0  # never arrives, and the connection breaks
    lost_after: float = 0  # arrives, is carried out, and the connection breaks before the answer
    cut: float = 0  # is answered by half
    # Of each connection, the probability in a second that it
    breaks: float = 0
    # stands still for some seconds
    stalls: float = 0
    # Longest delay of what is passed on, in seconds.
    latency: float = 0


CALM = Weather("calm")
BAD = [
    Weather("slow", latency=0.4),
    Weather("breaking", breaks=0.3),
    Weather("stalling", stalls=0.2, latency=0.05),
    Weather("throttling", reads_requests=True, refused=0.5),
    Weather("failing", reads_requests=True, failed=0.4),
    Weather("losing", reads_requests=True, lost_before=0.1, lost_after=0.2, cut=0.05),
    Weather("storm", reads_requests=True, refused=0.1, failed=0.15, lost_before=0.05, lost_after=0.1, cut=0.05, latency=0.1, breaks=0.05),
    Weather("out", reads_requests=True, failed=1),
]

"""Judges samples, ends of processes and logs. Pure: no clock, no processes.

Memory grows by steps for some fifteen minutes: each outage that ends brings more requests, lists and large values at once
than the one before, until the arenas of the allocator have room for all. So a line is fitted to the medians of one minute each,
after that warm-up, and a growth counts only beyond twice its standard error. Later steps are rare, and a line through a single
one rises too. So a growth also has to go on: each quarter of the time is above the one before.
"""

import collections
import dataclasses
import json
import math
import statistics

MINUTE = 60
# Seconds after the start of a process, in which caches and arenas fill.
WARM_UP = 900
# Seconds after the warm-up; a line through less says nothing.
SHORTEST = 600
# The growth in an hour that counts as none, in the unit of the field and as a share of the mean.
ALLOWED = {"memory": (2, 0.05), "descriptors": (2, 0.05), "threads": (1, 0.05)}
UNITS = {"memory": "MiB", "descriptors": "descriptors", "threads": "threads"}
# The part of the whole rise that each quarter has at least, if the growth goes on; a third is that of a line.
LEAST = 0.1
# The number of lines of a log that are reported.
MOST = 5
# Messages at the level error that a fault explains: the leader lost its lease.
EXPECTED_ERRORS = {"no longer leading: work in flight is cancelled"}


@dataclasses.dataclass(frozen=True)
class Growth:
    """A line through a field of the samples of one process."""

    mean: float
    # The slope and its standard error, in units per hour.
    hourly: float
    error: float
    goes_on: bool

    def exceeds(self, field):
        absolute, share = ALLOWED[field]
        return self.goes_on and self.hourly - 2 * self.error > max(absolute, share * self.mean)


def medians(points):
    """Returns the median of each minute. `points` are pairs of seconds and a value."""
    minutes = {}
    for seconds, value in points:
        minutes.setdefault(int(seconds // MINUTE), []).append(value)
    return [((minute + 0.5) * MINUTE, statistics.median(values)) for minute, values in sorted(minutes.items())]


def growth(points):
    """Returns the line of least squares, or None if the points span less than SHORTEST seconds."""
    if not points or points[-1][0] - points[0][0] < SHORTEST:
        return None
    settled = medians(points)
    times, values = zip(*settled)
    mean_time, mean = statistics.fmean(times), statistics.fmean(values)
    spread = sum((time - mean_time) ** 2 for time in times)
    slope = sum((time - mean_time) * (value - mean) for time, value in settled) / spread
    left = sum((value - mean - slope * (time - mean_time)) ** 2 for time, value in settled)
    error = math.sqrt(left / (len(settled) - 2) / spread)
    return Growth(mean, slope * 3600, error * 3600, goes_on(values))


def goes_on(values):
    """Returns whether each quarter of the values is above the one before."""
    bounds = [len(values) * part // 4 for part in range(5)]
    quarters = [statistics.fmean(values[start:end]) for start, end in zip(bounds, bounds[1:])]
    rise = quarters[-1] - quarters[0]
    return rise > 0 and all(after - before >= LEAST * rise for before, after in zip(quarters, quarters[1:]))


def points(samples, field, since=0):
    """Returns the field of one process after its warm-up, and after the second `since` of the run."""
    return [
        (sample["time"], sample[field])
        for sample in samples
        if sample["age"] >= WARM_UP and sample["time"] >= since and field in sample
    ]


def growths(samples, since=0):
    """Returns the growth of each field, or None for a process that was too short."""
    return {field: growth(points(samples, field, since)) for field in ALLOWED}


def growth_problems(name, found, names=""):
    """`names` tells of which threads there are more at the end."""
    for field, one in found.items():
        if one and one.exceeds(field):
            which = f": {names}" if names and field == "threads" else ""
            yield (
                f"{name}: {field} grows by {one.hourly:.1f} {UNITS[field]} an hour (± {2 * one.error:.1f}), from a mean of {one.mean:.1f}{which}"
            )


def more_threads(samples):
    """Returns the names of threads of which one process has more at the end than after its warm-up."""
    counts = [collections.Counter(sample["thread_names"]) for sample in samples if sample["age"] >= WARM_UP and "thread_names" in sample]
    if not counts:
        return ""
    return ", ".join(f"{count} more {name}" for name, count in sorted((counts[-1] - counts[0]).items()))


def quiet_problems(name, before, after):
    """Compares the samples of the first and the last half minute in which nothing happens. Less at the end is no problem:
    idle connections are closed."""
    for field in ("descriptors", "threads"):
        first, last = (statistics.median(sample[field] for sample in samples) for samples in (before, after))
        if last > first:
            yield f"{name}: {first:g} {field} at the start of the quiet time, and {last:g} at its end"


def end_problems(name, end, code):
    """Judges why a process ended. One that lost its lease exits with an error, so that it is restarted."""
    expected = {"killed": {-9}, "terminated": {0}, "at the end of the run": {0}, "lost the lease": {1}}
    if code not in expected.get(end, ()):
        yield f"{name}: ended with the code {code}: {end}"


def log_problems(name, lines, end):
    """Yields the first lines of each kind in a log that no fault explains. The last line of a killed process may be cut."""
    seen = set()
    for index, line in enumerate(lines):
        if len(seen) == MOST:
            return
        try:
            entry = json.loads(line)
            level, message = entry["level"], entry["msg"]
        except (ValueError, KeyError, TypeError):
            if end == "lost the lease" and line.startswith("error: leader election: lost lease"):
                continue
            if end == "killed" and index == len(lines) - 1:
                continue
            level, message = "none", line[:200]
        if level not in {"error", "critical", "none"} or message in EXPECTED_ERRORS or message in seen:
            continue
        seen.add(message)
        yield f"{name}: unexpected line in the log: {message if level == 'none' else line[:300]}"


# Of the processes of a run


def of_life(samples, life):
    return [sample for sample in samples if (sample["replica"], sample["process"]) == (life.replica, life.number)]


def findings_of_life(life, samples, since):
    """Returns the problems of a process; its samples count from the second `since` on, when all objects exist."""
    lines = life.log.read_text(errors="replace").splitlines()
    own = of_life(samples, life)
    return [
        *growth_problems(life.name, growths(own, since), more_threads(own)),
        *end_problems(life.name, life.end, life.code),
        *log_problems(life.name, lines, life.end),
    ]


def findings_of_coverage(replicas, samples, since, longest):
    """Returns a problem for each replica whose processes were all too short for a line, although a stage of `longest` seconds
    leaves it alone: then the run says nothing of its growth."""
    if longest < WARM_UP + SHORTEST:
        return []
    return [
        f"replica {replica.number}: no process lived long enough to be judged"
        for replica in replicas
        if not any(growths(of_life(samples, life), since)["memory"] for life in replica.lives)
    ]


def findings_of_quiet_time(replicas, samples, quiet):
    """Compares the first half minute of the quiet time with the last one."""
    problems = []
    for replica in replicas:
        own = of_life(samples, replica.lives[-1])
        before = [sample for sample in own if quiet[0] <= sample["time"] <= quiet[0] + 30]
        after = [sample for sample in own if quiet[1] - 30 <= sample["time"] <= quiet[1]]
        problems += quiet_problems(replica.lives[-1].name, before, after) if before and after else [
            f"{replica.lives[-1].name}: has no samples in the quiet time"
        ]
    return problems

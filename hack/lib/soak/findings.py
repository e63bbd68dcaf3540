"""Applies the judgement to the processes of a run and to the quiet time."""

import judgement


def of_life(samples, life):
    return [sample for sample in samples if (sample["replica"], sample["process"]) == (life.replica, life.number)]


def findings_of_life(life, samples, since):
    """Returns the problems of a process; its samples count from the second `since` on, when all objects exist."""
    lines = life.log.read_text(errors="replace").splitlines()
    return [
        *judgement.growth_problems(life.name, judgement.growths(of_life(samples, life), since)),
        *judgement.end_problems(life.name, life.end, life.code),
        *judgement.log_problems(life.name, lines, life.end),
    ]


def findings_of_coverage(replicas, samples, since, longest):
    """Returns a problem for each replica whose processes were all too short for a line, although a stage of `longest` seconds
    leaves it alone: then the run says nothing of its growth."""
    if longest < judgement.WARM_UP + judgement.SHORTEST:
        return []
    return [
        f"replica {replica.number}: no process lived long enough to be judged"
        for replica in replicas
        if not any(judgement.growths(of_life(samples, life), since)["memory"] for life in replica.lives)
    ]


def findings_of_quiet_time(replicas, samples, quiet):
    """Compares the first half minute of the quiet time with the last one."""
    problems = []
    for replica in replicas:
        own = of_life(samples, replica.lives[-1])
        before = [sample for sample in own if quiet[0] <= sample["time"] <= quiet[0] + 30]
        after = [sample for sample in own if quiet[1] - 30 <= sample["time"] <= quiet[1]]
        problems += judgement.quiet_problems(replica.lives[-1].name, before, after) if before and after else [
            f"{replica.lives[-1].name}: has no samples in the quiet time"
        ]
    return problems

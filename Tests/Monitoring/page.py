"""What is checked against each other: a real /metrics page, the rules and the dashboard that query it, and the table in
docs/operating.md."""

import json
import os
import pathlib
import re
from collections import defaultdict

import pytest
import yaml
from prometheus_client.parser import text_fd_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = os.environ.get("SB_TEST_METRICS_PAGE")
needs_page = pytest.mark.skipif(not PAGE, reason="SB_TEST_METRICS_PAGE is not set")

# What Prometheus adds to every series that it scrapes; cluster is there where it scrapes several.
TARGET_LABELS = {"cluster", "pod", "instance", "job", "namespace"}


def families():
    with open(PAGE, encoding="utf-8") as page:
        return list(text_fd_to_metric_families(page))


def series():
    """Names of samples, and the labels that each has."""
    labels = defaultdict(set)
    for family in families():
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


def rules():
    """Every query of the rules, by the alert's name."""
    return {name: rule["expr"] for name, rule in alerts().items()}


def alerts():
    """Every rule that is an alert, by its name."""
    document = yaml.safe_load((ROOT / "manifests/monitoring/prometheus-rules.yaml").read_text())
    return {rule["alert"]: rule for group in document["spec"]["groups"] for rule in group["rules"]}


def dashboard():
    return json.loads((ROOT / "manifests/monitoring/grafana-dashboard.json").read_text())


def panels():
    """Every query of the dashboard, by its panel's title and letter."""
    return {
        f"{panel['title']}/{target['refId']}": target["expr"]
        for panel in dashboard()["panels"]
        for target in panel["targets"]
    }


WORDS = {
    "by", "on", "and", "or", "group_left", "vector", "sum", "max", "min", "rate", "increase", "deriv", "absent",
    "histogram_quantile", "min_over_time", "time", "unless", "count", "count_over_time", "absent_over_time",
    "label_replace",
}


def used(expression):
    """Metrics of a query, and the labels that it matches or groups each by. A label in a grouping counts for every
    metric of the query that is not told otherwise by an inner one."""
    metrics = defaultdict(set)
    strings = re.sub(r'"[^"]*"', '""', expression)
    for name, matchers in re.findall(r"\b((?:secretsbridge|process)_\w+)(?:\{([^}]*)\})?", strings):
        metrics[name] |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    grouped = set()
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", strings):
        grouped |= {label.strip() for label in group.split(",") if label.strip()}
    # What label_replace makes is no label of a metric; what it reads is.
    for made, read in re.findall(r'"(\w+)",\s*"\$1",\s*"(\w+)"', expression):
        grouped = grouped - {made} | {read}
    for labels in metrics.values():
        labels |= grouped
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:secretsbridge|process)_\w+|\b(?:by|on|group_left)\s*\([^)]*\)", " ", strings)
    unknown = set(re.findall(r"[a-z_]{2,}", rest)) - WORDS
    assert not unknown, f"{unknown} in {expression}: is it a function, or a metric that is not ours?"
    return metrics


def documented():
    """The metrics of docs/operating.md's table, and their labels."""
    text = (ROOT / "docs/operating.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\| [^|]+ \|$", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

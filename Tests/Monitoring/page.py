"""Reads a real /metrics page, the rules and the dashboard that query it, and the table of docs/operating.md."""

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

# Labels that Prometheus adds to every scraped series; cluster if it scrapes several.
TARGET_LABELS = {"cluster", "pod", "instance", "job", "namespace"}


def families():
    with open(PAGE, encoding="utf-8") as page:
        return list(text_fd_to_metric_families(page))


def series():
    """Returns the names of samples and their labels."""
    labels = defaultdict(set)
    for family in families():
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    return labels


def rules():
    """Returns the queries of the rules by the names of their alerts."""
    return {name: rule["expr"] for name, rule in alerts().items()}


def alerts():
    """Returns the alerting rules by name."""
    document = yaml.safe_load((ROOT / "manifests/monitoring/prometheus-rules.yaml").read_text())
    return {rule["alert"]: rule for group in document["spec"]["groups"] for rule in group["rules"]}


def dashboard():
    return json.loads((ROOT / "manifests/monitoring/grafana-dashboard.json").read_text())


def panels():
    """Returns the queries of the dashboard by panel title and letter."""
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
    """Returns the metrics of a query, and the labels by which it matches or groups each. A label of a grouping counts for
    every metric without an inner grouping."""
    metrics = defaultdict(set)
    strings = re.sub(r'"[^"]*"', '""', expression)
    for name, matchers in re.findall(r"\b((?:secretsbridge|process)_\w+)(?:\{([^}]*)\})?", strings):
        metrics[name] |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    grouped = set()
    for group in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", strings):
        grouped |= {label.strip() for label in group.split(",") if label.strip()}
    # label_replace reads labels of a metric; its result is not one.
    for made, read in re.findall(r'"(\w+)",\s*"\$1",\s*"(\w+)"', expression):
        grouped = grouped - {made} | {read}
    for labels in metrics.values():
        labels |= grouped
    rest = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:secretsbridge|process)_\w+|\b(?:by|on|group_left)\s*\([^)]*\)", " ", strings)
    unknown = set(re.findall(r"[a-z_]{2,}", rest)) - WORDS
    assert not unknown, f"{unknown} in {expression}: is it a function, or a metric that is not ours?"
    return metrics


def documented():
    """Returns the metrics of the table in docs/operating.md, and their labels."""
    text = (ROOT / "docs/operating.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\| [^|]+ \|$", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}

"""Checks with promtool that every query is valid PromQL, and that each alert fires exactly when it should (alerts.yaml). hack/tools
downloads promtool."""

import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from page import ROOT, panels, rules

PROMTOOL = os.environ.get("SB_TEST_PROMTOOL")
ALERTS = pathlib.Path(__file__).with_name("alerts.yaml")
needs_promtool = pytest.mark.skipif(not PROMTOOL, reason="SB_TEST_PROMTOOL is not set")


def promtool(*arguments):
    done = subprocess.run([PROMTOOL, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def write_rules(folder):
    document = yaml.safe_load((ROOT / "manifests/monitoring/prometheus-rules.yaml").read_text())
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": document["spec"]["groups"]}))
    return folder / "rules.yaml"


@needs_promtool
def test_rules_are_valid(tmp_path):
    promtool("check", "rules", write_rules(tmp_path))


@needs_promtool
def test_dashboard_queries_are_valid_promql(tmp_path):
    """Writes the queries as recording rules."""
    queries = {title: filled(query) for title, query in panels().items()}
    records = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries.values())]
    (tmp_path / "panels.yaml").write_text(json.dumps({"groups": [{"name": "panels", "rules": records}]}))
    promtool("check", "rules", tmp_path / "panels.yaml")


# Two clusters whose pods have the same names and addresses; eu is split into two leases with two replicas each.
COUNTED = {
    ("eu", "a", "payments"): (100, 2, 1), ("eu", "b", "payments"): (100, 2, 0), ("eu", "c", "billing"): (10, 1, 0), ("eu", "d", "billing"): (10, 1, 1),
    ("us", "a", "payments"): (7, 3, 1)}
PANELS = {
    # Panel and chosen clusters, and the expected samples by labels.
    ("Synced/A", ".*"): {"{}": 117}, ("Synced/A", "eu"): {"{}": 110}, ("Synced/A", "us"): {"{}": 7}, ("Synced/A", "eu|us"): {"{}": 117},
    ("Not ready/A", ".*"): {"{}": 6}, ("Not ready/A", "us"): {"{}": 3}, ("Not ready/A", "ap"): {"{}": 0},
    ("Leaders/A", ".*"): {
        '{cluster="eu", namespace="secrets-bridge", lease="payments"}': 1, '{cluster="eu", namespace="secrets-bridge", lease="billing"}': 1,
        '{cluster="us", namespace="secrets-bridge", lease="payments"}': 1},
    ("WrappedSecrets by reason/A", "eu"): {
        '{cluster="eu", ready="True", reason="Synced"}': 110, '{cluster="eu", ready="False", reason="KMSUnavailable"}': 3},
    ("Memory/A", "us"): {'process_resident_memory_bytes{cluster="us", namespace="secrets-bridge", pod="a", instance="10.0.0.5:8080"}': 64},
}
WITHOUT_THE_LABEL = {
    ("Synced/A", ".*"): {"{}": 110}, ("Not ready/A", ".*"): {"{}": 3},
    ("Leaders/A", ".*"): {'{namespace="secrets-bridge", lease="payments"}': 1, '{namespace="secrets-bridge", lease="billing"}': 1},
}


def filled(query, clusters=".*"):
    """Returns the query as Grafana sends it."""
    return re.sub(r"\$__(rate_)?interval", "5m", query).replace("$cluster", clusters)


def shown(counted, has_label):
    """Returns the series of these pods, and of another program in the first pod."""
    for (cluster, pod, lease), (synced, failed, leads) in counted.items():
        address = "10.0.0.5:8080" if pod == "a" else f"10.0.0.{ord(pod)}:8080"
        label = f'cluster="{cluster}",' if has_label else ""
        target = f'{label}namespace="secrets-bridge",pod="{pod}",instance="{address}"'
        yield f'secretsbridge_wrappedsecrets{{{target},lease="{lease}",ready="True",reason="Synced"}}', synced
        yield f'secretsbridge_wrappedsecrets{{{target},lease="{lease}",ready="False",reason="KMSUnavailable"}}', failed
        yield f'secretsbridge_leader{{{target},lease="{lease}"}}', leads
        yield f'secretsbridge_build_info{{{target},lease="{lease}",version="1"}}', 1
        yield f"process_resident_memory_bytes{{{target}}}", 64
    yield 'process_resident_memory_bytes{cluster="us",namespace="other",pod="z",instance="10.0.0.5:8080"}', 1


@needs_promtool
@pytest.mark.parametrize("has_label", [True, False])
def test_panels_count_every_object_once(tmp_path, has_label):
    counted = COUNTED if has_label else {key: value for key, value in COUNTED.items() if key[0] == "eu"}
    expected = PANELS if has_label else WITHOUT_THE_LABEL
    tests = [{"expr": filled(panels()[title], clusters), "eval_time": "5m",
              "exp_samples": [{"labels": labels, "value": value} for labels, value in samples.items()]}
             for (title, clusters), samples in expected.items()]
    document = {"evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": [{"series": series, "values": f"{value}x10"} for series, value in shown(counted, has_label)],
        "promql_expr_test": tests}]}
    (tmp_path / "panels.yaml").write_text(yaml.safe_dump(document))
    promtool("test", "rules", tmp_path / "panels.yaml")


@needs_promtool
def test_alerts_fire_exactly_when_expected(tmp_path):
    write_rules(tmp_path)
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text())
    promtool("test", "rules", tmp_path / "alerts.yaml")


def test_every_alert_has_a_firing_and_a_silent_case():
    cases = [case for test in yaml.safe_load(ALERTS.read_text())["tests"] for case in test["alert_rule_test"]]
    for alert in rules():
        fired = [bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert]
        assert True in fired and False in fired, alert
        labels = [expected["exp_labels"] for case in cases if case["alertname"] == alert for expected in case.get("exp_alerts", [])]
        assert {"cluster" in found for found in labels} == {True, False}, f"{alert}: with several clusters, and with one"

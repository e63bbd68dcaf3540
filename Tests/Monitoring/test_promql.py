"""The queries in Prometheus' own words: every one is PromQL, and every alert fires when it should and not when it should
not (alerts.yaml). Needs a promtool, which hack/tools gets."""

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
def test_the_rules_are_rules(tmp_path):
    promtool("check", "rules", write_rules(tmp_path))


@needs_promtool
def test_the_dashboards_queries_are_promql(tmp_path):
    """As recording rules, which are queries with a name."""
    queries = {title: re.sub(r"\$__(rate_)?interval", "5m", query) for title, query in panels().items()}
    records = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(queries.values())]
    (tmp_path / "panels.yaml").write_text(json.dumps({"groups": [{"name": "panels", "rules": records}]}))
    promtool("check", "rules", tmp_path / "panels.yaml")


@needs_promtool
def test_alerts_fire_when_they_should(tmp_path):
    write_rules(tmp_path)
    (tmp_path / "alerts.yaml").write_text(ALERTS.read_text())
    promtool("test", "rules", tmp_path / "alerts.yaml")


def test_every_alert_is_seen_to_fire_and_not_to_fire():
    cases = [case for test in yaml.safe_load(ALERTS.read_text())["tests"] for case in test["alert_rule_test"]]
    for alert in rules():
        fired = [bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert]
        assert True in fired and False in fired, alert

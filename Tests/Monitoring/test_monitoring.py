"""Checks every query against a controller's real metrics, and that all of its metrics are documented."""

import re

import pytest
import yaml

from page import PAGE, ROOT, TARGET_LABELS, alerts, dashboard, documented, families, needs_page, panels, rules, series, used

QUERIES = {**{f"alert {name}": query for name, query in rules().items()}, **panels()}


@needs_page
def test_page_follows_the_conventions():
    found = families()
    assert found
    for family in found:
        assert re.fullmatch(r"(secretsbridge|process)_[a-z0-9_]+", family.name), family.name
        assert family.documentation.strip() and family.type in {"counter", "gauge", "histogram"}, family.name
        if family.type == "histogram":
            check_histogram(family)
    # The parser removes the suffix of counters.
    text = open(PAGE, encoding="utf-8").read()
    for name in re.findall(r"^# TYPE (\w+) counter$", text, re.MULTILINE):
        assert name.endswith("_total"), name
    for name in re.findall(r"^# TYPE (\w+) (?:gauge|histogram)$", text, re.MULTILINE):
        assert not name.endswith("_total"), name
    assert text.endswith("\n")


def check_histogram(family):
    buckets = {}
    for sample in family.samples:
        labels = tuple(sorted((key, value) for key, value in sample.labels.items() if key != "le"))
        buckets.setdefault((labels, sample.name.rsplit("_", 1)[1]), []).append((sample.labels.get("le"), sample.value))
    for (labels, kind), values in buckets.items():
        if kind == "bucket":
            counts = [count for _, count in values]
            assert counts == sorted(counts) and values[-1][0] == "+Inf", (family.name, labels)
            assert buckets[labels, "count"] == [(None, counts[-1])] and (labels, "sum") in buckets


@needs_page
def test_no_label_is_without_bounds():
    """Labels have few values and no names of objects or namespaces, so that series are few."""
    counts = {family.name: len(family.samples) for family in families()}
    assert max(counts.values()) < 2000, counts
    assert not {"namespace", "name", "object", "uid"} & {label for labels in series().values() for label in labels}


@needs_page
@pytest.mark.parametrize("name", QUERIES)
def test_query_uses_existing_metrics_and_labels(name):
    there = series()
    metrics = used(QUERIES[name])
    assert metrics
    for metric, labels in metrics.items():
        assert metric in there, f"{metric} is not on the page"
        assert labels - TARGET_LABELS <= there[metric], f"{metric} has the labels {there[metric]}"


@needs_page
def test_matchers_use_existing_values():
    """A misspelt code would never match. Patterns cover the codes that a healthy controller does not show."""
    there = {}
    for family in families():
        for sample in family.samples:
            for label, value in sample.labels.items():
                there.setdefault((sample.name, label), set()).add(value)
    for name, query in QUERIES.items():
        for metric, matchers in re.findall(r"\b(secretsbridge_\w+)\{([^}]*)\}", query):
            for label, operator, pattern in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
                if label in TARGET_LABELS:
                    continue  # not a label of the page
                known = there[metric, label]
                for word in pattern.split("|"):
                    if not re.fullmatch(r"[45].*", word) and (metric, word) != ("secretsbridge_api_requests_total", "transport"):
                        assert word in known, f"{name}: {label} of {metric} is never {word}: {known}"


@needs_page
def test_documented_metrics_equal_the_page():
    text = open(PAGE, encoding="utf-8").read()
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    table = documented()
    assert {name: kind for name, (kind, _) in table.items()} == kinds
    there = series()
    for name, (kind, labels) in table.items():
        sample = f"{name}_count" if kind == "histogram" else name
        assert sample in there, f"{name} has no series on the page, so its labels cannot be checked"
        assert labels == there[sample], name


def test_every_alert_is_explained():
    text = (ROOT / "docs/operating.md").read_text()
    for alert in rules():
        link = rf"\[[^]]+\]\(runbooks/alerts\.md#{alert.lower()}\)"
        assert re.search(rf"^\| `{alert}` \| [^|]+ \| {link} \|$", text, re.MULTILINE), alert
    assert set(re.findall(r"`(SecretsBridge\w+)`", text)) == set(rules())


def anchor(heading):
    """Returns GitHub's anchor: lower case, without punctuation, dashes for blanks."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors(page):
    """Returns the headings of a page, without lines of code blocks."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    return [anchor(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]


@pytest.mark.parametrize("name", rules())
def test_every_runbook_exists(name):
    url = alerts()[name]["annotations"]["runbook_url"]
    page, fragment = re.fullmatch(r"https://github\.com/secrets-bridge/secrets-bridge/blob/main/([^#]+)#(.+)", url).groups()
    assert anchors(page).count(fragment) == 1, url
    assert fragment == name.lower()


def test_every_runbook_belongs_to_an_alert():
    headings = re.findall(r"^## (SecretsBridge\w+)$", (ROOT / "docs/runbooks/alerts.md").read_text(), re.MULTILINE)
    assert headings == list(rules()), "in the order of the rules"


def test_alerts_have_labels_and_annotations():
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in {"warning", "critical"} and rule["for"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]
        # A label that the query drops is empty in a message. Without an aggregation, the target's labels stay.
        kept = set() if re.search(r"\bby\b", rule["expr"]) else TARGET_LABELS
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert label in kept or any(label in labels for labels in used(rule["expr"]).values()), (name, label)


@pytest.mark.parametrize("name", QUERIES)
def test_query_distinguishes_clusters(name):
    """With several clusters in one Prometheus, no aggregation and no match mixes them, except single numbers over the chosen
    clusters."""
    query = QUERIES[name]
    if name.split("/")[0] in ("Synced", "Not ready"):
        query = re.fullmatch(r"sum\((.*)\)(?: or vector\(0\))?", query).group(1)
    for word, labels in re.findall(r"\b(sum|max|min|count|on)\b\s*(?:by\s*)?(\([^()]*\))?", query):
        assert labels and "cluster" in labels, f"{word} in {query}"


def test_dashboard_selects_clusters():
    """"All" includes series without the label."""
    variables = {variable["name"]: variable for variable in dashboard()["templating"]["list"]}
    assert list(variables) == ["datasource", "cluster"]
    cluster = variables["cluster"]
    assert cluster["type"] == "query" and cluster["query"]["query"] == "label_values(secretsbridge_build_info, cluster)"
    assert cluster["includeAll"] and cluster["multi"] and cluster["allValue"] == ".*" and cluster["current"]["value"] == ["$__all"]
    for title, query in panels().items():
        named = re.findall(r"\bsecretsbridge_\w+(?:\{([^}]*)\})?", query)
        assert named and all('cluster=~"$cluster"' in matchers for matchers in named), title


def test_dashboard_is_complete():
    board = dashboard()
    identifiers = [panel["id"] for panel in board["panels"]]
    assert len(set(identifiers)) == len(identifiers)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len(set(places)) == len(places)
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                labels = set().union(*used(target["expr"]).values()) | TARGET_LABELS
                assert label in labels, (panel["title"], label)


def test_the_monitor_and_the_probes_name_the_port_of_the_deployment():
    deployment = yaml.safe_load((ROOT / "manifests/base/deployment.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    monitor = yaml.safe_load((ROOT / "manifests/monitoring/podmonitor.yaml").read_text())
    assert [endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]] == ["metrics"]
    assert ports == {"metrics": 8080}
    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    paths = {kind: container[kind]["httpGet"] for kind in ("livenessProbe", "readinessProbe")}
    assert paths["livenessProbe"] == {"path": "/healthz", "port": "metrics"}
    assert paths["readinessProbe"] == {"path": "/readyz", "port": "metrics"}

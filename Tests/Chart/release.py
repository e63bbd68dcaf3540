"""Installs releases on a real API server."""

import contextlib

from chart import CHART, NAMESPACE, helm

# Servers before 1.25 do not know CEL rules: they drop them, and reject validation and server-side apply.
OLD_SERVER_FLAGS = {"3": ["--disable-openapi-validation"], "4": ["--server-side=false", "--disable-openapi-validation"]}


def flags(cluster, major):
    return OLD_SERVER_FLAGS[major] if cluster.minor < 25 else []


def settings(cluster, *assignments):
    """Replaces policy/v1, which came with 1.21."""
    old = ["podDisruptionBudget.enabled=false"] if cluster.minor < 21 else []
    return [f"--set={assignment}" for assignment in [*old, *assignments]]


@contextlib.contextmanager
def installed(cluster, major, *assignments):
    helm(major, "install", "secrets-bridge", CHART, "-n", NAMESPACE, *settings(cluster, *assignments), *flags(cluster, major),
         kubeconfig=cluster.kubeconfig)
    try:
        yield
    finally:
        helm(major, "uninstall", "secrets-bridge", "-n", NAMESPACE, kubeconfig=cluster.kubeconfig)

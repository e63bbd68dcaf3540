"""Envelope v1 of secrets-bridge, written from its specification alone, as an oracle for the Swift code."""

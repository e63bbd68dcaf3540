"""Envelope v1 of secrets-bridge, written from its specification alone, to check the Swift code against."""

"""SASL mechanisms as pure exchanges (RFC 4422)."""

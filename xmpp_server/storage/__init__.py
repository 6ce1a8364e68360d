"""Storage interfaces and their drivers."""

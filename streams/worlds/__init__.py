"""Simulated worlds: pure and seeded."""

"""The loop and its runtime."""

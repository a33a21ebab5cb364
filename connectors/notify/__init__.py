"""Telling people that the loop asks them something, or leaves an entity to them: a webhook, as Slack takes it."""

"""Telling people that the loop asks them something: a webhook, as Slack and many others take it."""

"""The lab: a dozen live HTTP services under load, faults that recur, and actions that repair them.

This file imports nothing: the services load the package too, and each is an operating-system process of its own.
"""

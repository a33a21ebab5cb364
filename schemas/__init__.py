"""The contract: event types, topic registry, codecs, signatures and errors that every part of Flyball shares."""

__version__ = "0.1.0"

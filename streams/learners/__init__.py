"""Online algorithms: pure, deterministic, arrays in and arrays out."""

"""Files that `flyball init` writes."""

"""LiteRT files: converted, described, run."""

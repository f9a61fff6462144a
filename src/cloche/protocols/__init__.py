"""Bytes to valid rows, answers to bytes: one file a dialect, chosen by the content type."""

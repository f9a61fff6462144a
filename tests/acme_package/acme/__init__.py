"""A package of a customer's: what only they can write."""

__version__ = "1.2.0"

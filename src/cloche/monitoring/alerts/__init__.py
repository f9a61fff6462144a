"""Alerts: rules as data, decided from what the monitor counts, told to sinks, kept in the store."""

"""
The offline core: roll-ups of the log, drift against the reference, quality against labels, alerts, and the documents
that the dashboard shows. Nothing here answers a prediction.
"""

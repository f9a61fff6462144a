"""
A served store as processes: supervisor, agent, templates, workers (docs/adr/0006).

Each runs as `python -m cloche.web.processes.ROLE RUN …`; all they say to each other lies as files in the folder
RUN (`folder.py`, `runtime.py`).
"""

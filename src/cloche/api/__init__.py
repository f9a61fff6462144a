"""The Python front door: save, inspect, load, open, asgi, and the routes. `cli/` is a thin skin over it."""

"""
The management port: what a server is doing, for the people and programs that look after it.

It always asks who calls: a browser by a login address that is printed at the start, a script by a key. It reads
what its host hands over as plain callables, so any process may serve it.
"""

"""HTTP: the gate, the application, the connection, the server. The only home of uvicorn."""

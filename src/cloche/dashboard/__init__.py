"""
What the monitor saw, as pages: from documents to HTML, with nothing asked and nothing read but files of our own.

The agent serves them on the management port, `cloche report` writes them into one file. Every page says all it has to
say without JavaScript: charts are drawn here as SVG, and the script in `static/` only makes them answer the pointer.
"""

"""
The record of what was asked and answered: spooled on the host, landed in the store, folded into tables, labelled.

`frames` and `segments` are the bytes of a segment, `layout` says where everything lies. What is appended while a
request is answered needs no library; the tables need the extra `monitor`.
"""

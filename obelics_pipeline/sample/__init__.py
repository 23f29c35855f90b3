"""A small web of our own: prose, layouts, drawn images and a loopback server, to try everything on.

Nothing here is on the internet: the hosts are under ``.example`` (RFC 2606), and their names lead to
127.0.0.1 inside our own client only.
"""

"""A local game to collect from: the practice world's scenes behind the flow of the real site.

`python -m lost_and_found.practice.game` serves it, `server.serving` does so from Python.
"""

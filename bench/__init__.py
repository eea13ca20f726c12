"""
How fast jobyard is, beside its peers and the raw limit of the database, in one run on one machine.

``python -m bench`` measures everything and writes ``RESULTS.md``; ``python -m bench NAME ...`` measures some of it;
``python -m bench profile`` says where the time of a drain goes.
"""

"""
The demo: a census of the Python standard library, taken by jobs.

It is an application like any other, on the public surface of jobyard alone; ``jobyard demo`` runs and shows it.
"""

"""
Who is measured. Every function gets the URL of a store and returns figures, or None when it only prepares.

The raw limit is what a plain client of the database reaches with the same rows; peers run with their best settings.
"""

"""Alerts: saved queries that are asked again and again, and whose new rows are raised.

``definitions`` reads what an alert is, ``engine`` checks and stores, ``findings`` makes the row of a finding,
``delivery`` starts the process that hands raised alerts to a program, a web address or the desktop (``outbox``).
"""

"""`sonoloop doctor`: asks every part of an installation whether it does its work, and says what to do if not.

A check is a function from the installation to one finding; `examine` runs them apart from one another.
"""

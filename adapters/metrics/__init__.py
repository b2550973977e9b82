"""Figures for Prometheus: what a process measures of itself, and what database and broker say at a scrape."""

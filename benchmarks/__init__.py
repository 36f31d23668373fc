"""Measurements that anyone can repeat; each prints what it compares and how often."""

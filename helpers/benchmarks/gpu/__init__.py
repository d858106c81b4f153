"""A T4 user's first day, rehearsed on any GPU in minutes (`make gpu-check`), and what a bare machine needs for it."""

"""Waiting for what comes, and not for a time."""

import time

PATIENCE = 60


def wait_for(what, check, patience=PATIENCE):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")

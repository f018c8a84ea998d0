"""Real peers for pcapper and recollect: see tests/pcapper_peers.py."""

"""What the proof of the live view is made of: agents and a collector, and a browser."""

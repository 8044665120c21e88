"""What the integration tests start, watch and stop: one noun, one file."""

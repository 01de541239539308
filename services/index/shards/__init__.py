"""One index made of shards, each of which another index service holds."""

"""Files in, files out: volumes, datasets and their layouts, phantom CTs, download. Knows nothing of networks."""

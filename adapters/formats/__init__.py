"""Files in and out: frames, truth masks, and the exported dataset."""

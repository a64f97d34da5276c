"""What may keep a vehicle or RSU from playing: facts collected, judged, and what to do about it."""

"""How good rendered images look to a user: A-DISTS against reference images (needs PyTorch)."""

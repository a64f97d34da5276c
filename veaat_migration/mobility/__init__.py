"""Where vehicles are: traffic traces, road networks, placement of RSUs."""

"""The plan of which nodes run with which parameters, for launch files and the starter alike."""

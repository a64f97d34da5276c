"""Sets up what the project runs in: ROS 2, Python packages and the built messages.

Standard library only, because it runs before anything is installed. ``tools/run`` starts it.
"""

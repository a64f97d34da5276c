"""From rosbags to tables, plots and a summary; works without ROS."""

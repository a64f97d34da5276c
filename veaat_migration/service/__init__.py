"""What a twin does for its AV (Step 5), and how its AV measures that; no ROS, no clock."""

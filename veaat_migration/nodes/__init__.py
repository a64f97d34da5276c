"""ROS 2 nodes: thin shells around :mod:`veaat_migration.protocol`. The only place that imports rclpy."""

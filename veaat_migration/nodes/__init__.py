"""ROS 2 nodes around :mod:`veaat_migration.protocol`. Only here is rclpy imported."""

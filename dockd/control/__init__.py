"""What people see and order."""

"""What one place shows is what every other one shows, and what is done when it is asked for."""

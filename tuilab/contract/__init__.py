"""What a runner and the app agree on: specs, reports, process identity; standard library only."""

"""What leaves the terminal: tables, figures, the run card, the report and its bundle."""

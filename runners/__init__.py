"""One program per stage of the experiment, and the machine-learning code they share."""

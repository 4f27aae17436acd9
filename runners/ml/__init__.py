"""The machine-learning code the stages share: models, adapters, training, sampling, scoring."""

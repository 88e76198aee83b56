"""Stage 4: how good a model is, with how much certainty, and where it errs."""

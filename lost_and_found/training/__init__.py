"""Stage 3: from pinned lists to a run folder with a trained model."""

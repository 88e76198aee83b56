"""Stage 1: bring labelled pictures in as samples."""

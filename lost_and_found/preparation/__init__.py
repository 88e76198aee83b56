"""From raw pairs to pinned, leak-free lists: resize, enrich, map to a distribution, clean, split, explore."""

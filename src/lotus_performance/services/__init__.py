"""From the engine to results in wire names and percent."""

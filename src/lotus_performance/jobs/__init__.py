"""Running a calculation: fingerprints, hashes and the one place that turns a broken engine into an error."""

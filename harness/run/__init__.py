"""From a plan to records on disk: stages, rounds, trials, searches, the folder of a run, calibration."""

"""The drills, one file for each; a file exports `DRILL`."""

"""From options and the settings file to a selection and a plan."""

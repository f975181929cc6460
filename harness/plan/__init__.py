"""From options and files to a selection and a plan."""

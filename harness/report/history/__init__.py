"""The history of several runs: an index of their figures, and a page of cases over time."""

NOTE = (
    "Runs are compared by the rules of harness compare: only under the same conditions, with the same requests. "
    "Memory is judged, and ratios to the baseline, of which the state of the machine cancels out. Of the baseline "
    "itself, and where there is none, it is absolute figures, of which it does not: the machine may be why they "
    "changed. "
    "A step is where the 95 % intervals of two runs do not overlap, and their controls differ by less. A run is "
    "compared with the most precise one since the last step; brackets hold the 95 % interval of the change, in "
    "percent."
)

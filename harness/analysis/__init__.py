"""Pure: from records to verdicts, intervals, summaries, comparisons and a diagnosis of the machine."""

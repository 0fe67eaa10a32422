"""The answer of a results file as a page: statistics, verdicts, laws, figures.  `tools/report` runs it."""

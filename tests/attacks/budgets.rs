//! 7. Budgets: patterns, sizes and waits have limits, and an error names the cause.

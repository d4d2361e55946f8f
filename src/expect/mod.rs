//! Expected snapshots: matchers, comparison, and the explanation of a mismatch.

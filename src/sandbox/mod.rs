//! The throw-away machine in which an exercise runs.

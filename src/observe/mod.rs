//! Reads kernel state of a process or a sandbox, from outside. Never writes.

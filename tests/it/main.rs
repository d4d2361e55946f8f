//! Tests of `tp` through its real binary.

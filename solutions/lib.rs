//! Empty on purpose: each solution is a program of its own, and this library
//! lets the crates that they use be built once, before the first of them.

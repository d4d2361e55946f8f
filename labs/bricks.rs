//! The bricks that containers are made of, one chapter each.

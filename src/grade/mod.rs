//! Grading a class. Not built yet: the result document is what it will start from.

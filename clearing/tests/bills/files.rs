//! Files as they come: packed, several, foreign, too large.

//! The game API: its client, and a simulator of it.

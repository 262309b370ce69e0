//! Thread per core: N shards, each a single-threaded runtime with its own listener. Knows cores, keys, messages;
//! no HTTP, no storage, no game.

//! Session events, ids, channels and error codes, and the one validating parser.

//! Sans-IO subscription and producer state machines.

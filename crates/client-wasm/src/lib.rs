//! Browser and Node driver of the durable-sessions client.

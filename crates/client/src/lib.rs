//! Native client for durable sessions, driven by tokio and reqwest.

//! End-to-end, conformance, fault and browser tests over the released artifacts.

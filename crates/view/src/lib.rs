//! Live views of what agents report: a page for browsers, and the same on a terminal.
//!
//! Guarantees: views only read what the collector knows, and hold it up only while that is copied.

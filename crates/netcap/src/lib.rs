//! Netcap

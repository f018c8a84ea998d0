//! The program as users meet it: command lines in, files, text and exit codes out.

mod checksum;
mod collect;
mod determinism;
mod dump;
mod files;
mod filters;
mod flags;
mod metrics;
mod numbers;
mod peers;
mod printing;
mod run;
mod stdout;
mod trouble;

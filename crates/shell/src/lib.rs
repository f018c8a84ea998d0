//! The shell around every program: how it reads its command line, what it says and where, how it is
//! stopped, and the exit code it ends with; and of those that make records of packets also the flags
//! for that, and what these open ([`capture`]).
//!
//! Libraries here never print, exit, read the command line or the environment. This one does all
//! four, as that is its purpose; only programs depend on it. A program is a [`Program`] and a function:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use netcap_shell::{Program, Spelling, console};
//!
//! const PROGRAM: Program = Program {
//!     name: "example",
//!     spelling: Spelling::Gnu,
//!     unwritable: 2,
//! };
//!
//! fn main() -> ExitCode {
//!     PROGRAM.run(|| console::print("hello\n"))
//! }
//! ```

pub mod capture;
pub mod certificate;
mod command_line;
pub mod console;
mod damper;
pub mod descriptors;
mod directory;
pub mod encoders;
mod failure;
pub mod figures;
mod given;
mod host_port;
mod input_flags;
mod interfaces;
pub mod metrics;
mod nats_flags;
pub mod peers;
mod pipeline_flags;
pub mod privileges;
mod program;
pub mod progress;
pub mod quantity;
mod record_flags;
mod rotation_flags;
pub mod signals;
mod spelling;
pub mod summary;
mod tls_flags;

pub use capture::Capture;
pub use command_line::explained;
pub use damper::Damper;
pub use directory::check_directory;
pub use failure::{Failure, exit_codes};
pub use given::Given;
pub use host_port::HostPort;
pub use input_flags::{InputFlags, Inputs};
pub use interfaces::same_interface;
pub use nats_flags::NatsFlags;
pub use pipeline_flags::PipelineFlags;
pub use program::Program;
pub use record_flags::RecordFlags;
pub use rotation_flags::RotationFlags;
pub use spelling::{Retired, Spelling};
pub use tls_flags::{TlsConnectFlags, TlsFlags, TlsListenFlags};

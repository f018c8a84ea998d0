//! Why the program ends without success, and the exit code that says so.

use std::fmt;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use netcap::privileges::PrivilegesError;
use netcap_capture::FilterError;

/// Why the program ends early or not well: one line for the user, three of a filter that is wrong,
/// and an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(String),
    /// Something could not be read or written.
    Environment(String),
    /// The input is malformed or cut short; its good part has been processed.
    Input(String),
    /// TLS: a peer is not believed, or does not believe us.
    Untrusted(String),
    /// The program contradicts itself.
    Bug(String),
    /// Nobody reads our output any longer (`| head`), which is no failure at all.
    ClosedPipe,
}

impl Failure {
    /// What an error of writing to standard output means.
    pub(crate) fn stdout(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Environment(format!("cannot write to standard output: {error}")),
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::ClosedPipe => 0,
            Failure::Usage(_) => 1,
            Failure::Environment(_) => 2,
            Failure::Input(_) => 3,
            Failure::Untrusted(_) => 4,
            Failure::Bug(_) => 101,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message)
            | Failure::Environment(message)
            | Failure::Input(message)
            | Failure::Untrusted(message) => f.write_str(message),
            Failure::Bug(message) => {
                write!(f, "{message}; this is a bug in netcap, please report it")
            }
            Failure::ClosedPipe => f.write_str("nobody reads the output"),
        }
    }
}

impl From<netcap_capture::Error> for Failure {
    fn from(error: netcap_capture::Error) -> Failure {
        let message = error.to_string();
        match (error.exit_code(), error) {
            (_, netcap_capture::Error::Filter(error)) => error.into(),
            (2, _) => Failure::Environment(message),
            (4, _) => Failure::Untrusted(message),
            _ => Failure::Input(message),
        }
    }
}

impl From<PrivilegesError> for Failure {
    fn from(error: PrivilegesError) -> Failure {
        match error {
            PrivilegesError::Usage(message) => Failure::Usage(message),
            PrivilegesError::Environment(message) => Failure::Environment(message),
        }
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Failure {
        match error {
            FilterError::Libpcap(error) => Failure::Environment(error.to_string()),
            error => Failure::Usage(format!("-bpf: {error}")),
        }
    }
}

impl From<netcap_store::Error> for Failure {
    fn from(error: netcap_store::Error) -> Failure {
        if error.is_input_fault() {
            Failure::Input(error.to_string())
        } else {
            Failure::Environment(error.to_string())
        }
    }
}

impl From<netcap_pipeline::Error> for Failure {
    fn from(error: netcap_pipeline::Error) -> Failure {
        match error {
            netcap_pipeline::Error::Filter(error) => error.into(),
            error => Failure::Environment(error.to_string()),
        }
    }
}

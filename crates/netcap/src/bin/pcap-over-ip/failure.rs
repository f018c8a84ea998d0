//! Why the program ends without success, and the exit code that says so.

use std::fmt;
use std::process::ExitCode;

use netcap::privileges::PrivilegesError;
use netcap_capture::libpcap::LibpcapError;
use netcap_capture::pcap_over_ip::{AddressError, ConnectError, TlsError};
use netcap_capture::{Error, FilterError};
use netcap_relay::PumpError;

/// Why the program ends early or not well: one line for the user, and an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(String),
    /// Something could not be read, connected to, or listened on.
    Environment(String),
    /// A capture or a stream is malformed or cut short; its good part has been processed.
    Input(String),
    /// A peer is not to be trusted, or does not trust us.
    Tls(String),
    /// What should have been written could not be.
    Output(String),
    /// Nobody reads our output any longer (`| head`), which is no failure at all.
    ClosedPipe,
}

impl Failure {
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::ClosedPipe => 0,
            Failure::Usage(_) => 1,
            Failure::Environment(_) => 2,
            Failure::Input(_) => 3,
            Failure::Tls(_) => 4,
            Failure::Output(_) => 5,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message)
            | Failure::Environment(message)
            | Failure::Input(message)
            | Failure::Tls(message)
            | Failure::Output(message) => f.write_str(message),
            Failure::ClosedPipe => f.write_str("nobody reads the output"),
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

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let message = error.to_string();
        match (error.exit_code(), error) {
            (_, Error::Filter(error)) => error.into(),
            (2, _) => Failure::Environment(message),
            (4, _) => Failure::Tls(message),
            _ => Failure::Input(message),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        if error.is_tls() {
            Failure::Tls(error.to_string())
        } else {
            Failure::Environment(error.to_string())
        }
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<LibpcapError> for Failure {
    fn from(error: LibpcapError) -> Failure {
        Failure::Environment(error.to_string())
    }
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Failure {
        match error {
            FilterError::Libpcap(error) => error.into(),
            error => Failure::Usage(error.to_string()),
        }
    }
}

impl From<PumpError> for Failure {
    fn from(error: PumpError) -> Failure {
        match error {
            PumpError::Input(error) => error.into(),
            PumpError::Filter(error) => error.into(),
            PumpError::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe => {
                Failure::ClosedPipe
            }
            PumpError::Output(_) => Failure::Output(error.to_string()),
        }
    }
}

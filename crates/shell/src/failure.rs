//! Why a program ends without success, and the exit code that says so.

use std::fmt;
use std::io::{self, ErrorKind};

use netcap_capture::FilterError;
use netcap_capture::libpcap::LibpcapError;
use netcap_capture::pcap_over_ip::{AddressError, ConnectError, TlsError};
use netcap_relay::PumpError;

use crate::descriptors;

/// The exit codes of all programs.
const EXIT_CODES: &str = "\
Exit codes:
  0 success, also after Ctrl-C where packets come live, or a closed pipe
  1 the command line is wrong
  2 something could not be read, written or connected to
  3 the input is malformed or cut short; its good part was processed
  4 TLS: a peer is not trusted, or does not trust us
  5 pcap-over-ip: the output could not be written; netcap: packets were lost (-fail-on-loss)
  101 a bug: please report it
  129, 130, 143 SIGHUP, Ctrl-C or SIGTERM ended it before the input did, or before it could finish in good order";

/// The table of exit codes, for the long help of a program that has all but these.
pub fn exit_codes(unused: &[u8]) -> String {
    let unused: Vec<String> = unused.iter().map(|code| format!("  {code} ")).collect();
    let lines = EXIT_CODES.lines();
    let lines = lines.filter(|line| !unused.iter().any(|code| line.starts_with(code)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Why a program ends early or not well: one line for the user, three of a filter that is wrong, and
/// an exit code.
#[derive(Debug)]
pub enum Failure {
    /// The command line asks for something that does not exist or does not fit together.
    Usage(String),
    /// The filter on the command line is no filter, or none for the packets.
    Filter(FilterError),
    /// Something could not be read, written, connected to, or listened on.
    Environment(String),
    /// The input is malformed or cut short; its good part has been processed.
    Input(String),
    /// TLS: a peer is not believed, or does not believe us.
    Untrusted(String),
    /// The output cannot be written.
    Output(String),
    /// A signal has ended it before its input did; what was read until then is written.
    Interrupted {
        /// 128 and the signal.
        code: u8,
        /// The outcome of the input.
        message: String,
    },
    /// Packets were lost, and the user wants that to be a failure.
    Loss(String),
    /// What a program has an exit code of its own for, because it had one before it was ours.
    Own {
        /// That code.
        code: u8,
        /// What is wrong.
        message: String,
    },
    /// The program contradicts itself.
    Bug(String),
    /// Nobody reads our output any longer (`| head`), which is no failure at all.
    ClosedPipe,
}

impl Failure {
    /// What an error of writing to standard output means.
    pub fn stdout(error: io::Error) -> Failure {
        match error.kind() {
            ErrorKind::BrokenPipe => Failure::ClosedPipe,
            _ => Failure::Output(format!("cannot write to standard output: {error}")),
        }
    }

    /// The exit code, as [`exit_codes`] lists them; `unwritable` is [`Program::unwritable`].
    ///
    /// [`Program::unwritable`]: crate::Program::unwritable
    pub(crate) fn exit_code(&self, unwritable: u8) -> u8 {
        match self {
            Failure::ClosedPipe => 0,
            Failure::Usage(_) | Failure::Filter(_) => 1,
            Failure::Environment(_) => 2,
            Failure::Input(_) => 3,
            Failure::Untrusted(_) => 4,
            Failure::Output(_) => unwritable,
            Failure::Loss(_) => 5,
            Failure::Interrupted { code, .. } | Failure::Own { code, .. } => *code,
            Failure::Bug(_) => 101,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message)
            | Failure::Environment(message)
            | Failure::Input(message)
            | Failure::Untrusted(message)
            | Failure::Output(message)
            | Failure::Interrupted { message, .. }
            | Failure::Loss(message)
            | Failure::Own { message, .. } => f.write_str(&descriptors::explained(message)),
            Failure::Filter(error) => error.fmt(f),
            Failure::Bug(message) => write!(f, "{message}; this is a bug, please report it"),
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

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Failure {
        match error {
            FilterError::Libpcap(error) => error.into(),
            error => Failure::Filter(error),
        }
    }
}

impl From<LibpcapError> for Failure {
    fn from(error: LibpcapError) -> Failure {
        Failure::Environment(error.to_string())
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Failure {
        Failure::Usage(error.to_string())
    }
}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Failure {
        match error {
            TlsError::File { .. } | TlsError::Pair { .. } => {
                Failure::Environment(error.to_string())
            }
            error => Failure::Usage(error.to_string()),
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Failure {
        if let ConnectError::Tls(error) = error {
            // Our own side is not in order: nobody was asked yet.
            error.into()
        } else if error.is_tls() {
            Failure::Untrusted(error.to_string())
        } else {
            Failure::Environment(error.to_string())
        }
    }
}

impl From<PumpError> for Failure {
    fn from(error: PumpError) -> Failure {
        match error {
            PumpError::Input(error) => error.into(),
            PumpError::Filter(error) => error.into(),
            PumpError::Output(error) if error.kind() == ErrorKind::BrokenPipe => {
                Failure::ClosedPipe
            }
            PumpError::Output(_) => Failure::Output(error.to_string()),
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

impl From<netcap_remote::Error> for Failure {
    fn from(error: netcap_remote::Error) -> Failure {
        match error {
            netcap_remote::Error::Connect(error) => error.into(),
            error if error.is_untrusted() => Failure::Untrusted(error.to_string()),
            error => Failure::Environment(error.to_string()),
        }
    }
}

impl From<netcap_pipeline::Error> for Failure {
    fn from(error: netcap_pipeline::Error) -> Failure {
        match error {
            netcap_pipeline::Error::Filter(error) => error.into(),
            netcap_pipeline::Error::Output(error) => Failure::stdout(error),
            netcap_pipeline::Error::Outlet(error) => match error.downcast::<netcap_remote::Error>()
            {
                Ok(error) => (*error).into(),
                Err(error) => Failure::Environment(error.to_string()),
            },
            error => Failure::Environment(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_lists_only_its_own_codes() {
        let listed = exit_codes(&[4, 5]);
        for (code, is_there) in [
            ("  4 ", false),
            ("  5 ", false),
            ("  0 ", true),
            ("  101 ", true),
        ] {
            assert_eq!(listed.contains(code), is_there, "{code}");
        }
    }

    #[test]
    fn the_readme_has_the_same_table() {
        let readme = include_str!("../../../README.md");
        for line in EXIT_CODES.lines().skip(1) {
            let (codes, meaning) = line
                .match_indices(' ')
                .map(|(at, _)| line.split_at(at))
                .find(|(codes, _)| codes.ends_with(|c: char| c.is_ascii_digit()))
                .expect("a code and its meaning");
            let row = format!("| {} | {} |", codes.trim(), meaning.trim());
            assert!(readme.contains(&row), "README.md lacks the row: {row}");
        }
    }
}

//! Why a connection ends on the server: how that is counted, logged, and told to the sensor.

use std::io::ErrorKind;

use super::sensors::Reason;
use super::wire::Malformed;
use crate::Error;

/// Why a connection ends before its sensor closes it.
pub(crate) enum Fault {
    /// The sensor has closed it.
    Closed,
    /// It was cut.
    Lost,
    /// The server stops.
    Stopped,
    Message(Malformed),
    /// A message that is in form, and not in place.
    Place(&'static str),
    Batch(&'static str),
    Overlap,
    Superseded,
    Silent,
    /// There are as many sensors as allowed.
    Full,
    Unknown,
    Disk(Error),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        match error.kind() {
            ErrorKind::UnexpectedEof => Fault::Closed,
            _ => Fault::Lost,
        }
    }
}

impl From<Malformed> for Fault {
    fn from(malformed: Malformed) -> Fault {
        Fault::Message(malformed)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Disk(error)
    }
}

impl Fault {
    /// The counter, the reason of the log, and what the sensor is told.
    pub(crate) fn meaning(&self) -> (Option<Reason>, &'static str, Option<String>) {
        let counted = |reason: Reason, told: String| (Some(reason), reason.name(), Some(told));
        match self {
            Fault::Closed => (None, "closed", None),
            Fault::Lost => (None, "lost", None),
            Fault::Stopped => (None, "stopped", None),
            Fault::Message(malformed) => counted(Reason::BadMessage, malformed.to_string()),
            Fault::Place(what) => counted(Reason::BadMessage, (*what).to_owned()),
            Fault::Batch(what) => {
                counted(Reason::BadBatch, format!("a batch was refused: {what}"))
            }
            Fault::Overlap => counted(
                Reason::Overlap,
                "some records of a batch are there already".to_owned(),
            ),
            Fault::Superseded => counted(
                Reason::Superseded,
                "another connection under this sensor's name took its place; do two sensors run as \
                 one?"
                .to_owned(),
            ),
            Fault::Silent => counted(Reason::Silent, "nothing came for too long".to_owned()),
            Fault::Full => counted(
                Reason::TooMany,
                "the server has as many sensors as it takes (-max-clients)".to_owned(),
            ),
            Fault::Unknown => (
                Some(Reason::UnknownKey),
                "revoked",
                Some("this sensor's key is not enrolled any more".to_owned()),
            ),
            Fault::Disk(_) => (
                None,
                "not_stored",
                Some("the server cannot store records (disk full?); its log tells more".to_owned()),
            ),
        }
    }
}

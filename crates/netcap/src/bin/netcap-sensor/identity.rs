//! The certificate by which the server knows this sensor.

use std::path::Path;

use netcap_shell::Failure;
use netcap_shell::certificate::Identity;
use netcap_shell::console::print;

use crate::PROGRAM;

/// Makes PATH.pem and PATH.key, and says how to enrol them.
pub(crate) fn make(path: &Path) -> Result<(), Failure> {
    let identity = Identity::make_at(path, "netcap-sensor")?;
    PROGRAM.note(format_args!(
        "wrote {} and {}; on the server `netcap-server -enroll NAME -pin {}` lets this sensor in",
        identity.certificate.display(),
        identity.key.display(),
        identity.pin
    ));
    print(&format!("{}\n", identity.pin))
}

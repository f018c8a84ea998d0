//! The certificate by which the server knows this sensor.

use std::path::Path;

use netcap_shell::Failure;
use netcap_shell::certificate::Identity;
use netcap_shell::console::print;

use crate::PROGRAM;

/// Days that the certificate is good for: the server believes its pin, whatever its age.
const DAYS: u32 = 3650;

/// Makes PATH.pem and PATH.key, and says how to enrol them.
pub(crate) fn make(path: &Path) -> Result<(), Failure> {
    let stem = path.file_name().map(|name| name.to_string_lossy());
    let Some(stem) = stem.filter(|stem| !stem.is_empty()) else {
        return Err(Failure::Usage(format!(
            "-identity {}: is no path of a file; use a name as in `-identity sensor`",
            path.display()
        )));
    };
    let directory = path.parent().unwrap_or(Path::new(""));
    let names = ["netcap-sensor".to_owned()];
    let identity = Identity::make(&names, directory, &stem, DAYS, false)?;
    PROGRAM.note(format_args!(
        "{} and {} written; let the server know it: netcap-server -enroll NAME -pin PIN",
        identity.certificate.display(),
        identity.key.display()
    ));
    print(&format!("{}\n", identity.pin))
}

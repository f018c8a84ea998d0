//! Keys of the server, and the list of the sensors that are let in.

use std::path::Path;

use netcap_capture::pcap_over_ip::Pin;
use netcap_remote::reliable::Enrolment;
use netcap_remote::write_key_pair;
use netcap_shell::Failure;
use netcap_shell::certificate::Identity;
use netcap_shell::console::print;

use crate::PROGRAM;
use crate::flags::Flags;

/// Writes the keys of the mode that is asked for.
pub(crate) fn make(flags: &Flags) -> Result<(), Failure> {
    if !flags.reliable {
        write_key_pair(Path::new("."), false)?;
        return print("wrote keys\n");
    }
    let identity = Identity::make_at(&flags.identity, "netcap-server")?;
    PROGRAM.note(format_args!(
        "{} and {} written; sensors are started with -server-pin and this pin:",
        identity.certificate.display(),
        identity.key.display()
    ));
    print(&format!("{}\n", identity.pin))
}

/// Lets a sensor in, or no longer.
pub(crate) fn enrol(flags: &Flags, pin: Pin) -> Result<(), Failure> {
    let path = flags.sensors.display();
    let enrolment = Enrolment::open(&flags.sensors)?;
    match &flags.enroll {
        Some(name) => {
            enrolment.add(name, pin)?;
            PROGRAM.note(format_args!("{name} is let in; it is in {path}"));
        }
        None if !flags.revoke => {
            return Err(Failure::Usage(
                "-pin tells a key; say what to do with it: -enroll NAME, or -revoke".to_owned(),
            ));
        }
        None => {
            if !enrolment.remove(&pin)? {
                return Err(Failure::Usage(format!("{pin} is not in {path}")));
            }
            PROGRAM.note(format_args!("{pin} is not let in any more"));
        }
    }
    Ok(())
}

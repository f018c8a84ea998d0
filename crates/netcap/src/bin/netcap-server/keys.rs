//! Keys of the server, and the list of the sensors that are let in.

use std::path::Path;

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
        PROGRAM.note("wrote pub.key (for the sensors) and priv.key (stays here)");
        // As in 2019.
        return print("wrote keys\n");
    }
    let identity = Identity::make_at(&flags.identity, "netcap-server")?;
    PROGRAM.note(format_args!(
        "wrote {} and {}; sensors are started with -server-pin and this pin:",
        identity.certificate.display(),
        identity.key.display()
    ));
    print(&format!("{}\n", identity.pin))
}

/// Lets a sensor in.
pub(crate) fn enrol(flags: &Flags) -> Result<(), Failure> {
    let (Some(name), Some(pin)) = (&flags.enroll, flags.pin) else {
        return Err(Failure::Bug("-enroll without a name or a key".to_owned()));
    };
    if !Enrolment::is_plain(name) {
        return Err(Failure::Usage(format!(
            "-enroll {}: the name becomes that of a folder: use at most 64 letters, digits, - and _, and \
             dots that are not first",
            name.escape_debug()
        )));
    }
    let enrolment = Enrolment::open(&flags.sensors)?;
    match enrolment.name_of(&pin) {
        Some(other) if other != *name => {
            return Err(Failure::Usage(format!(
                "this key is enrolled as {other}; `netcap-server -revoke -pin {pin}` first"
            )));
        }
        known => {
            enrolment.add(name, pin)?;
            let keys = match keys_of(&enrolment, name) {
                1 => String::new(),
                keys => format!(" with {keys} keys"),
            };
            let path = flags.sensors.display();
            match known {
                None => note(
                    flags,
                    &format!("{name} may connect{keys} now (written to {path})"),
                ),
                Some(_) => note(
                    flags,
                    &format!("{name} may connect{keys} already (read in {path})"),
                ),
            }
        }
    }
    Ok(())
}

/// Lets a sensor in no longer, with one key or with any.
pub(crate) fn revoke(flags: &Flags) -> Result<(), Failure> {
    let path = flags.sensors.display();
    let enrolment = Enrolment::open(&flags.sensors)?;
    let unknown = |what: &str| {
        Failure::Usage(format!(
            "{what} is not in {path}; `netcap-server -list` shows what is"
        ))
    };
    let name = match (&flags.revoke_sensor, flags.pin) {
        (Some(name), _) => {
            if enrolment.remove_name(name)? == 0 {
                return Err(unknown(&name.escape_debug().to_string()));
            }
            name.clone()
        }
        (None, Some(pin)) => {
            let name = enrolment.name_of(&pin);
            let is_removed = enrolment.remove(&pin)?;
            name.filter(|_| is_removed)
                .ok_or_else(|| unknown(&pin.to_string()))?
        }
        (None, None) => return Err(Failure::Bug("-revoke without a key".to_owned())),
    };
    match keys_of(&enrolment, &name) {
        0 => note(flags, &format!("{name} may not connect any more")),
        _ => note(
            flags,
            &format!("{name} may not connect with this key any more, but with another"),
        ),
    }
    Ok(())
}

/// Prints who is let in.
pub(crate) fn list(flags: &Flags) -> Result<(), Failure> {
    let all = Enrolment::open(&flags.sensors)?.list();
    if all.is_empty() {
        let path = flags.sensors.display();
        note(flags, &format!("no sensor is enrolled in {path}"));
    }
    let lines = all.iter().map(|(name, pin)| format!("{name} {pin}\n"));
    print(&lines.collect::<String>())
}

fn keys_of(enrolment: &Enrolment, name: &str) -> usize {
    let all = enrolment.list();
    all.iter().filter(|(known, _)| known == name).count()
}

fn note(flags: &Flags, line: &str) {
    if !flags.quiet {
        PROGRAM.note(line);
    }
}

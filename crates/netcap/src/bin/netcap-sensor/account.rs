//! The outcome of the records of a reliable run, as it is told at the end.

use netcap_remote::reliable::SenderCounts;
use netcap_shell::figures::{counted, grouped, size};

use crate::flags::Flags;

/// Where records have room that wait for the server, as the command line says it.
pub(crate) struct Room {
    /// The spool, as its users know it.
    spool: Option<String>,
    /// What bounds what is kept.
    bound: String,
}

impl Room {
    pub(crate) fn of(flags: &Flags) -> Room {
        let spool = flags.spool.as_ref().map(|path| path.display().to_string());
        Room {
            bound: match &spool {
                Some(path) => format!("{path} is full (-spool-size {})", size(flags.spool_size)),
                None => format!("the queue was full (-queue {})", size(flags.queue)),
            },
            spool,
        }
    }
}

/// The outcomes of the records, a line for each.
pub(crate) fn account(counts: &SenderCounts, room: &Room) -> String {
    let mut lines = Vec::new();
    let several = |records: u64| counted(records, "records");
    // As in "1 record waits".
    let verb =
        |records: u64, one: &'static str, many: &'static str| if records == 1 { one } else { many };
    let spool = room.spool.as_deref().unwrap_or("the spool");
    let delivered = format!(
        "{} delivered, {} compressed",
        several(counts.delivered),
        size(counts.delivered_octets)
    );
    match (counts.delivered, counts.known) {
        (0, 0) if counts.records + counts.earlier + counts.waiting + counts.lost > 0 => {}
        (0, 0) => lines.push("no records to deliver".to_owned()),
        (0, known) if counts.waiting + counts.lost + counts.unknown_type > 0 => {
            let were = verb(known, "was", "were");
            lines.push(format!("{} {were} on the server already", several(known)));
        }
        (0, 1) => lines.push("1 record: it was on the server already".to_owned()),
        (0, known) => lines.push(format!(
            "{}: all were on the server already",
            several(known)
        )),
        (_, 0) => lines.push(delivered),
        (_, known) => lines.push(format!(
            "{delivered}; {} more {} on the server already",
            grouped(known),
            verb(known, "was", "were")
        )),
    }
    if counts.earlier > 0 {
        let earlier = several(counts.earlier);
        lines.push(format!("{earlier} of earlier runs delivered from {spool}"));
    }
    if counts.waiting > 0 {
        lines.push(format!(
            "{} {} in {spool} for the next run",
            several(counts.waiting),
            verb(counts.waiting, "waits", "wait")
        ));
    }
    for (records, reason) in [
        (counts.lost - counts.too_long.min(counts.lost), &*room.bound),
        (counts.too_long, "longer than 2 MiB each"),
        (counts.unknown_type, "the server does not know their type"),
    ] {
        if records > 0 {
            let are = verb(records, "is", "are");
            lines.push(format!("{} {are} lost: {reason}", several(records)));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_true_and_reads_well() {
        let room = Room {
            spool: Some("spz".to_owned()),
            bound: "spz is full (-spool-size 10.0 kB)".to_owned(),
        };
        let said = |counts: SenderCounts| account(&counts, &room);
        let none = SenderCounts::default();
        assert_eq!(said(none), "no records to deliver");
        let delivered = SenderCounts {
            records: 731,
            delivered: 731,
            delivered_octets: 18_200,
            ..none
        };
        assert_eq!(said(delivered), "731 records delivered, 18.2 kB compressed");
        let part = SenderCounts {
            known: 1,
            earlier: 32,
            ..delivered
        };
        assert_eq!(
            said(part),
            "731 records delivered, 18.2 kB compressed; 1 more was on the server already\n\
             32 records of earlier runs delivered from spz"
        );
        let again = SenderCounts { known: 731, ..none };
        assert_eq!(said(again), "731 records: all were on the server already");
        let away = SenderCounts {
            records: 662,
            waiting: 266,
            lost: 396,
            ..none
        };
        assert_eq!(
            said(away),
            "266 records wait in spz for the next run\n\
             396 records are lost: spz is full (-spool-size 10.0 kB)"
        );
    }
}

//! The flags for output that is cut into periods.

use clap::Args;
use netcap_store::Rotation;

use crate::failure::Failure;
use crate::figures::counted;
use crate::quantity::{Quantity, octets};

/// When new files begin, and what the disk may hold.
#[derive(Debug, Args)]
pub struct RotationFlags {
    /// Begin new files after this time (10m, 1h, 1d) or size (500MB, 1GB), or whichever comes first
    /// of both: 1h,1GB
    ///
    /// Each period has a folder, named by when it began (UTC): 2026-11-21T19-00-00Z. Times are by the
    /// wall clock: with 1h, periods end at the full hour.
    #[arg(
        long, value_name = "TIME|SIZE", value_delimiter = ',', value_parser = Quantity::parse,
        help_heading = "Collect"
    )]
    rotate: Vec<Quantity>,

    /// With -rotate: remove the oldest periods while the directory holds more than this, as in 10GB
    ///
    /// Periods of earlier runs too, but nothing else that is in the directory, and never the newest
    /// period: if that alone is larger, so is the directory. With -rotate 1GB, at least 1GB.
    #[arg(long, value_name = "SIZE", value_parser = octets, help_heading = "Collect")]
    disk_limit: Option<u64>,
}

impl RotationFlags {
    /// Whether new files are to begin.
    pub fn is_given(&self) -> bool {
        !self.rotate.is_empty()
    }

    /// When new files begin, if ever.
    ///
    /// # Errors
    ///
    /// Two times or two sizes; a limit without periods, or below the size of one.
    pub fn rotation(&self) -> Result<Option<Rotation>, Failure> {
        if self.rotate.is_empty() {
            return match self.disk_limit {
                None => Ok(None),
                Some(_) => Err(Failure::Usage(
                    "-disk-limit removes old periods, so it needs -rotate, as in \
                     `-rotate 1h -disk-limit 10GB`"
                        .to_owned(),
                )),
            };
        }
        let mut rotation = Rotation {
            disk_limit: self.disk_limit,
            ..Rotation::default()
        };
        for quantity in &self.rotate {
            let (what, earlier) = match quantity {
                Quantity::Time(time) => {
                    let earlier = rotation.interval.replace(*time);
                    ("times", earlier.is_some())
                }
                Quantity::Octets(octets) => ("sizes", rotation.octets.replace(*octets).is_some()),
            };
            if earlier {
                return Err(Failure::Usage(format!(
                    "-rotate has two {what}; it takes one time and one size, as in -rotate 1h,1GB"
                )));
            }
        }
        match (rotation.octets, rotation.disk_limit) {
            (Some(period), Some(limit)) if limit < period => Err(Failure::Usage(format!(
                "-disk-limit is {}, less than one period, {} (-rotate); give at least twice as much \
                 as a period",
                counted(limit, "octets"),
                counted(period, "octets")
            ))),
            _ => Ok(Some(rotation)),
        }
    }
}

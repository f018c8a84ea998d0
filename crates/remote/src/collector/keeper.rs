//! The thread that looks around each second: has what waits written and put onto the disk, asks the system
//! how much it has dropped, and who is enrolled.

use std::net::UdpSocket;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::shared::Shared;
use crate::archive::lock;
use crate::kernel_drops::kernel_drops;

/// How often.
const PERIOD: Duration = Duration::from_secs(1);

/// Runs until the channel is closed.
pub(super) fn keep(shared: &Shared, socket: &UdpSocket, stopped: &Receiver<()>) {
    loop {
        let is_last = stopped.recv_timeout(PERIOD) != Err(RecvTimeoutError::Timeout);
        if let Some(drops) = kernel_drops(socket) {
            let mut kernel = lock(&shared.kernel);
            let more = drops.wrapping_sub(kernel.last.unwrap_or_default());
            kernel.total += u64::from(more);
            kernel.last = Some(drops);
        }
        shared.look_who_is_enrolled();
        shared.write();
        if is_last {
            return;
        }
    }
}

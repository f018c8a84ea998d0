//! How many datagrams the system has thrown away because a socket's receive buffer was full. Linux says
//! so in `/proc/net/udp` and `/proc/net/udp6`, for each socket, whether or not another datagram
//! follows.

use std::fs;
use std::net::UdpSocket;

use nix::sys::stat::fstat;

/// Datagrams dropped since the socket was made, modulo 2^32; none where the system does not say.
pub(crate) fn kernel_drops(socket: &UdpSocket) -> Option<u32> {
    let inode = fstat(socket).ok()?.st_ino.to_string();
    ["/proc/self/net/udp", "/proc/self/net/udp6"]
        .iter()
        .find_map(|table| find(&fs::read_to_string(table).ok()?, &inode))
}

/// The last column of the line of this inode.
fn find(table: &str, inode: &str) -> Option<u32> {
    // sl local rem st tx:rx tr:tm retrnsmt uid timeout inode ref pointer drops
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_ascii_whitespace().skip(9);
        if columns.next()? != inode {
            return None;
        }
        columns.nth(2)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_socket_is_found() {
        let table = "\
   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1165: 0100007F:0537 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 40771 2 0000000000000000 0
 1166: 0100007F:0538 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 40772 2 0000000000000000 17
";
        assert_eq!(find(table, "40772"), Some(17));
        assert_eq!(find(table, "40771"), Some(0));
        assert_eq!(find(table, "4077"), None);
        assert_eq!(find("", "1"), None);
        assert_eq!(find("x\n1 2 3", "1"), None);
    }

    #[test]
    fn sockets_of_both_families_are_told_apart() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            // Not every machine has both.
            let Ok(socket) = UdpSocket::bind(address) else {
                continue;
            };
            if fs::exists("/proc/self/net/udp").unwrap_or(false) {
                assert_eq!(kernel_drops(&socket), Some(0), "{address}");
            }
        }
    }

    #[test]
    fn drops_are_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let Some(0) = kernel_drops(&socket) else {
            return; // Not on this system.
        };
        // The smallest buffer that the system has.
        let options = socket2::SockRef::from(&socket);
        options.set_recv_buffer_size(0).expect("a size");
        let address = socket.local_addr().expect("an address");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for _ in 0..100 {
            sender.send_to(&[0; 1000], address).expect("sent");
        }
        socket.set_nonblocking(true).expect("set");
        let mut received = 0;
        while socket.recv(&mut [0; 1000]).is_ok() {
            received += 1;
        }
        assert!(received < 100);
        assert_eq!(kernel_drops(&socket), Some(100 - received));
    }
}

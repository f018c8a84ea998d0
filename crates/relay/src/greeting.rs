//! What a peer has to say before it is served, so that nobody gets a stream by mistake.
//!
//! Guarantees: no octet behind the greeting is read; a peer that is silent, slow, or says something else is
//! given up after [`PATIENCE`] at most.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use netcap_capture::pcap_over_ip::Connection;

/// How long a greeting may take, from its first octet to its last.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether it is time to end.
const TICK: Duration = Duration::from_millis(100);

/// Waits for the peer to say it, in pieces of any size, while it is not over.
///
/// # Errors
/// Why the peer is to be turned away.
pub(crate) fn hear(
    connection: &mut Connection,
    greeting: &[u8],
    is_over: impl Fn() -> bool,
) -> Result<(), String> {
    let until = Instant::now() + PATIENCE;
    let failed = |error: std::io::Error| format!("it cannot be read from: {error}");
    connection.set_read_timeout(Some(TICK)).map_err(failed)?;
    let mut rest = greeting;
    let mut heard = [0; 64];
    while !rest.is_empty() {
        let wanted = rest.len().min(heard.len());
        match connection.read(&mut heard[..wanted]) {
            Ok(0) => return Err("it left without a greeting".to_owned()),
            Ok(count) => {
                let Some(more) = rest.strip_prefix(&heard[..count]) else {
                    return Err("it does not greet as this port wants it".to_owned());
                };
                rest = more;
            }
            Err(error) => match error.kind() {
                ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                _ => return Err(failed(error)),
            },
        }
        if rest.is_empty() {
            break;
        }
        if is_over() {
            return Err("the end came before its greeting".to_owned());
        }
        if Instant::now() >= until {
            return Err(format!("no greeting within {} s", PATIENCE.as_secs()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpStream;
    use std::thread;

    use netcap_capture::pcap_over_ip::Listener;

    use super::*;

    /// What is heard of a peer that says these pieces, and then leaves; and what comes after the greeting.
    fn heard(pieces: &[&[u8]]) -> (Result<(), String>, Vec<u8>) {
        let address = "listen://127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(&address, None).expect("a listener");
        let place = listener.local_addr();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut stream = TcpStream::connect(place).expect("a connection");
                for piece in pieces {
                    stream.write_all(piece).expect("written");
                    thread::sleep(Duration::from_millis(5));
                }
            });
            let pending = listener.accept(Duration::from_secs(60)).expect("accepted");
            let connection = pending.expect("a peer").handshake(PATIENCE);
            let mut connection = connection.expect("no TLS");
            let result = hear(&mut connection, b"HELLO 1\n", || false);
            let mut rest = Vec::new();
            connection.set_read_timeout(None).expect("set");
            drop(connection.read_to_end(&mut rest));
            (result, rest)
        })
    }

    #[test]
    fn pieces_do_not_matter_and_nothing_else_is_read() {
        let (result, rest) = heard(&[b"H", b"ELLO", b" 1\nmore"]);
        assert_eq!((result, &rest[..]), (Ok(()), &b"more"[..]));
    }

    #[test]
    fn others_are_told_apart() {
        for (pieces, expected) in [
            (&[&b"HELLO 2\n"[..]][..], "does not greet"),
            (&[b"GET / HTTP/1.1\r\n"], "does not greet"),
            (&[b"HELLO"], "left"),
            (&[], "left"),
        ] {
            let reason = heard(pieces).0.expect_err("refused");
            assert!(reason.contains(expected), "{reason}");
        }
    }
}
